"""Builds wolfSSL static, into subprojects/wolfssl (git-ignored), with the limits, the assembly and the random numbers
that kferry needs.

The source is a release of upstream's, as the crate wolfssl-sys carries it: cargo fetches it, and its SHA-256 is pinned
here. A distribution's own libwolfssl cannot take its place: its certificates, chains and handshake messages are smaller
than what brokers and clients send. A build is kept under a name that follows from its version, flags and compiler, so
that it is made once; `current` points at the one in use. A source whose licence is not "or any later version" is not
taken: since 5.8.2 wolfSSL is under the GPL, "either version 3 of the License, or (at your option) any later version".
"""

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess

import packages
from progress import CHECKOUT, Failure, logged, say

VERSION = "5.9.4"  # of the wolfSSL inside the crate
CRATE, CRATE_VERSION = "wolfssl-sys", "5.3.0"
SHA256 = "e04fb531435ec8ba1852ee9df66ab351cdb1e3aec1da4013787ae93efa3adac6"
UNREACHABLE = f"""cargo cannot fetch the crate {CRATE} {CRATE_VERSION}, which carries the source of wolfSSL {VERSION}.
      Let cargo reach its registry or a mirror of it ([source] in ~/.cargo/config.toml, HTTPS_PROXY), or copy the
      folder subprojects/wolfssl from a checkout of the same version that was built on such a system."""
FOLDER = CHECKOUT / "subprojects/wolfssl"
CURRENT = FOLDER / "current"
PACKAGES = ["autoconf", "automake", "libtool", "make", "gcc", "patch"]
ASSEMBLY = {"x86_64": ["--enable-intelasm", "--enable-sp-asm"], "aarch64": ["--enable-armasm", "--enable-sp-asm"]}
# What takes the place of its random number generator.
RANDOM = CHECKOUT / "scripts/wolfssl_random.h"
# What it does otherwise than upstream's, and why.
PATCH = CHECKOUT / "scripts/wolfssl.patch"
# Neither the compatibility with OpenSSL nor CRL nor OCSP: certificates are judged by libcrypto (src/x509), and a
# connection that shakes hands is 14 KB smaller without them.
OPTIONS = """
    --enable-static --disable-shared --disable-examples --disable-crypttests --enable-sp=yes --enable-tls13
    --disable-oldtls --enable-aesgcm --enable-aesgcm-stream --enable-chacha --enable-poly1305 --enable-curve25519
    --enable-ed25519 --enable-compkey --enable-sni --enable-alpn --enable-session-ticket
    --enable-extended-master --enable-supportedcurves --enable-atomicuser --enable-hkdf --enable-keying-material
    --enable-writedup --enable-pwdbased --enable-base64encode --enable-des3 --enable-rc2 --disable-hashdrbg
    """.split()
# What src/tls uses. Not SESSION_CERTS: it makes a session, so each connection, 37 KB larger.
USED = """
    HAVE_EXT_CACHE WOLFSSL_ALWAYS_KEEP_SNI WOLFSSL_ALWAYS_VERIFY_CB WOLFSSL_EXTRA_ALERTS
    HAVE_SERVER_RENEGOTIATION_INFO HAVE_SECRET_CALLBACK CUSTOM_RAND_GENERATE_BLOCK=kferry_random
    CUSTOM_RAND_GENERATE_SEED=kferry_random
    """.split()
# What other libraries take. A handshake message of 64 KB bounds what an unfinished handshake holds; 512 cipher suites
# are more than have ever been defined. MAX_CHAIN_DEPTH: x509/trust.h's chain_size_max. Certificates are decoded
# leniently, because libcrypto judges them.
LIMITS = """
    MAX_HANDSHAKE_SZ=65536 MAX_CERTIFICATE_SZ=65536 MAX_CHAIN_DEPTH=20 WOLFSSL_MAX_SUITE_SZ=1024 SP_INT_BITS=8192
    WOLFSSL_NO_ASN_STRICT ALLOW_INVALID_CERTSIGN
    """.split()
CFLAGS = " ".join(["-O2", *(f"-D{name}" for name in [*USED, *LIMITS])])
LATER = re.compile(r"either version ([23]) of the License,? or\W+\(at your option\)\W+any later version")
# Bits of generated C, or files without a line of code, that carry no header of their own.
WITHOUT_HEADER_MAX = 8


def flags():
    return [*OPTIONS, *ASSEMBLY.get(platform.machine(), [])]


def key():
    compiler = subprocess.run(["gcc", "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]
    made_of = [*flags(), CFLAGS, RANDOM.read_text(), PATCH.read_text(), compiler]
    digest = hashlib.sha256("\n".join(made_of).encode()).hexdigest()[:10]
    return f"{VERSION}-{digest}"


def have_cargo():
    """One that reads the registry's sparse index: 1.68. Debian 12 has a new one beside its old one, as cargo-web."""
    for package in ("cargo-web", "cargo"):
        if shutil.which("cargo") is None:
            try:
                packages.install([package])
            except Failure:
                continue
    if shutil.which("cargo") is None:
        raise Failure("cargo is missing, which fetches the source of wolfSSL: install cargo 1.68 or newer")
    shown = subprocess.run(["cargo", "--version"], capture_output=True, text=True, check=False).stdout
    version = re.match(r"cargo (\d+)\.(\d+)", shown)
    if version is None or (int(version[1]), int(version[2])) < (1, 68):
        raise Failure(f"{shown.strip() or 'cargo'} is too old to fetch the source of wolfSSL: install 1.68 or newer")


def fetch(work):
    """The source tree. What cargo has in its cache needs no network."""
    have_cargo()
    (work / "src").mkdir(parents=True)
    (work / "src/lib.rs").write_text("")
    (work / "Cargo.toml").write_text('[package]\nname = "source"\nversion = "0.0.0"\nedition = "2021"\n'
                                     f'[dependencies]\n{CRATE} = "={CRATE_VERSION}"\n')
    vendor = ["cargo", "vendor", "--quiet"]
    status, _ = logged("wolfssl", [*vendor, "--offline", "vendor"], directory=work, timeout_s=300, may_fail=True)
    if status != 0:
        try:
            logged("wolfssl", [*vendor, "vendor"], directory=work, timeout_s=300)
        except Failure as failure:
            raise Failure(UNREACHABLE, failure.log) from failure
    crate = work / "vendor" / CRATE
    found = json.loads((crate / ".cargo-checksum.json").read_text())["package"]
    if found != SHA256:
        raise Failure(f"{CRATE} {CRATE_VERSION} has the SHA-256 {found}, not {SHA256}: it is not the crate that was "
                      "pinned, so find out who changed it")
    return crate / "wolfssl-src"


def ensure():
    """Where the built library is, made now if need be."""
    if shutil.which("gcc") is None:
        packages.install(PACKAGES)
    wanted = FOLDER / key()
    if not (wanted / "VERSION").exists():
        build(wanted)
    if not CURRENT.is_symlink() or os.readlink(CURRENT) != wanted.name:
        fresh = FOLDER / f".current-{os.getpid()}"
        fresh.symlink_to(wanted.name)
        fresh.replace(CURRENT)
    return wanted


def build(wanted):
    say(f"    wolfSSL {VERSION}: packages and source")
    packages.install(PACKAGES)
    work = FOLDER / f".work-{os.getpid()}"
    shutil.rmtree(work, ignore_errors=True)
    try:
        tree = fetch(work)
        license_check(tree)
        logged("wolfssl", ["patch", "-p1", "--fuzz=0", "-i", PATCH], directory=tree, timeout_s=60)
        say(f"    wolfSSL {VERSION}: configure")
        stage = work / "stage"
        logged("wolfssl", ["autoreconf", "-fi"], directory=tree, timeout_s=300)
        compiler = "ccache gcc" if shutil.which("ccache") else "gcc"
        logged("wolfssl", ["./configure", "-q", f"--prefix={stage}", *flags()], directory=tree, timeout_s=300,
               environment={"CFLAGS": f"{CFLAGS} -include {RANDOM}", "CC": compiler})
        say(f"    wolfSSL {VERSION}: make (a minute on two cores; once)")
        logged("wolfssl", ["nice", "make", "-s", f"-j{os.cpu_count()}"], directory=tree, timeout_s=1200)
        logged("wolfssl", ["make", "-s", "install-libLTLIBRARIES", "install-nobase_includeHEADERS"], directory=tree,
               timeout_s=120)
        (stage / "VERSION").write_text(f"{VERSION}\n")
        shutil.rmtree(wanted, ignore_errors=True)
        stage.rename(wanted)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def license_check(source):
    """Every file that is compiled must be under a GPL "or any later version"."""
    without = []
    for path in sorted([*source.glob("src/*.c"), *source.glob("wolfcrypt/src/*.[cS]"), *source.glob("wolfssl/*.h"),
                        *source.glob("wolfssl/wolfcrypt/*.h")]):
        text = path.read_text(errors="replace")[:3000]
        words = re.sub(r"[\s*#/]+", " ", text)
        if "General Public License" in words:
            if not LATER.search(words):
                raise Failure(f"{path.relative_to(source)} is not under the GPL \"or any later version\"")
        else:
            without.append(path)
    if len(without) > WITHOUT_HEADER_MAX:
        raise Failure(f"{len(without)} files of wolfSSL say nothing of their licence, {without[0].name} among them")


if __name__ == "__main__":
    try:
        ensure()
    except Failure as failure:
        raise SystemExit(str(failure)) from None
