"""Builds wolfSSL static, into subprojects/wolfssl (git-ignored), from the first of two sources that is to be had:

  crate          a release of upstream's, as the crate wolfssl-sys carries it, pinned here by its SHA-256; cargo fetches
                 it. Since 5.9.3 AES-GCM uses VAES, at twice the speed where the processor has it.
  distribution   the distribution's own source package, with its security fixes.

KFERRY_WOLFSSL_SOURCE names one of them, to take no other. The packaged library leaves out AES-NI: 160 MB/s where the
same source configured as here gives 5,200. Nothing of the machine's configuration is touched: the sources of apt are
copied, switched to deb-src, into a private configuration. A build is kept under a name that follows from its version,
flags and compiler, so that it is made once; `current` points at the one in use. A source whose licence is not "or any
later version" is not taken.

Which versions say what, read in their files (GPL): 5.5.4 (Debian 12) and 5.7.2 (Debian 13) "either version 2 of the
License, or (at your option) any later version"; from 5.8.2 on (July 2025) version 3, or any later one.
"""

import glob
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess

import packages
from progress import CHECKOUT, Failure, logged, say

FOLDER = CHECKOUT / "subprojects/wolfssl"
CURRENT = FOLDER / "current"
PACKAGES = ["autoconf", "automake", "libtool", "make", "gcc", "dpkg-dev", "xz-utils"]
ASSEMBLY = {"x86_64": ["--enable-intelasm", "--enable-sp-asm"], "aarch64": ["--enable-armasm", "--enable-sp-asm"]}
# What takes the place of its random number generator.
RANDOM = CHECKOUT / "scripts/wolfssl_random.h"
OPTIONS = """
    --enable-static --disable-shared --disable-examples --disable-crypttests --enable-sp=yes
    --enable-tls13 --disable-oldtls --enable-aesgcm --enable-aesgcm-stream --enable-chacha --enable-poly1305
    --enable-curve25519 --enable-ed25519 --enable-sni --enable-alpn --enable-session-ticket --enable-extended-master
    --enable-supportedcurves --enable-crl --enable-ocsp --enable-ocspstapling --enable-ocspstapling2
    --enable-opensslall --enable-atomicuser --enable-hkdf --enable-keying-material --enable-writedup
    --enable-pwdbased --enable-base64encode --enable-des3 --enable-rc2 --disable-hashdrbg
    """.split()
# What opensslall alone leaves out and src/tls uses. Not SESSION_CERTS: it makes a session, so each connection,
# 37 KB larger.
CFLAGS = ("-O2 -DKEEP_PEER_CERT -DHAVE_EX_DATA -DWOLFSSL_ALWAYS_KEEP_SNI -DWOLFSSL_ALT_CERT_CHAINS "
          "-DWOLFSSL_ALWAYS_VERIFY_CB -DWOLFSSL_EXTRA_ALERTS -DWOLFSSL_TRUST_PEER_CERT "
          "-DHAVE_SERVER_RENEGOTIATION_INFO -DHAVE_SECRET_CALLBACK -DCUSTOM_RAND_GENERATE_BLOCK=kferry_random "
          "-DCUSTOM_RAND_GENERATE_SEED=kferry_random -DUSE_ECC_B_PARAM")
LATER = re.compile(r"either version ([23]) of the License,? or\W+\(at your option\)\W+any later version")
# Bits of generated C, or files without a line of code, that carry no header of their own.
WITHOUT_HEADER_MAX = 8


def flags():
    return [*OPTIONS, *ASSEMBLY.get(platform.machine(), [])]


def key_of(version):
    compiler = subprocess.run(["gcc", "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]
    digest = hashlib.sha256("\n".join([*flags(), CFLAGS, RANDOM.read_text(), compiler]).encode()).hexdigest()[:10]
    return f"{version.replace(':', '_')}-{digest}"


class Crate:
    """cargo holds what it fetches against the registry's index, and we against the pin."""

    name = "crate"
    CRATE, CRATE_VERSION = "wolfssl-sys", "5.3.0"
    SHA256 = "e04fb531435ec8ba1852ee9df66ab351cdb1e3aec1da4013787ae93efa3adac6"
    VERSION = "5.9.4"  # of the wolfSSL inside

    @classmethod
    def candidate(cls):
        return cls.VERSION

    @classmethod
    def fetch(cls, _version, work):
        have_cargo()
        (work / "src").mkdir(parents=True)
        (work / "src/lib.rs").write_text("")
        (work / "Cargo.toml").write_text('[package]\nname = "source"\nversion = "0.0.0"\nedition = "2021"\n'
                                         f'[dependencies]\n{cls.CRATE} = "={cls.CRATE_VERSION}"\n')
        logged("wolfssl", ["cargo", "vendor", "--quiet", "vendor"], directory=work, timeout_s=300)
        crate = work / "vendor" / cls.CRATE
        found = json.loads((crate / ".cargo-checksum.json").read_text())["package"]
        if found != cls.SHA256:
            raise Failure(f"{cls.CRATE} {cls.CRATE_VERSION} has the SHA-256 {found}, not {cls.SHA256}")
        return crate / "wolfssl-src"


class Distribution:
    name = "distribution"

    @staticmethod
    def candidate():
        """The version the distribution's packages have now, or None where apt has no lists."""
        shown = subprocess.run(["apt-cache", "show", "--no-all-versions", "libwolfssl-dev"], capture_output=True,
                               text=True, check=False).stdout
        # A binary-only rebuild (+b1) has the source's version without it.
        found = re.search(r"^Version: (\S+?)(?:\+b\d+)?$", shown, re.MULTILINE)
        return found[1] if found else None

    @staticmethod
    def fetch(version, work):
        return fetch_package(version, work)


SOURCES = (Crate, Distribution)


def have_cargo():
    """One that reads the registry's sparse index: 1.68. Debian 12 has a new one beside its old one, as cargo-web."""
    for package in ("cargo-web", "cargo"):
        if shutil.which("cargo") is None:
            try:
                packages.install([package])
            except Failure:
                continue
    if shutil.which("cargo") is None:
        raise Failure("there is no cargo to fetch it with")
    shown = subprocess.run(["cargo", "--version"], capture_output=True, text=True, check=False).stdout
    version = re.match(r"cargo (\d+)\.(\d+)", shown)
    if version is None or (int(version[1]), int(version[2])) < (1, 68):
        raise Failure(f"{shown.strip() or 'cargo'} is too old to fetch it with: 1.68 or newer")


def sources(named):
    chosen = [source for source in SOURCES if named in (None, "", source.name)]
    if not chosen:
        raise Failure(f"KFERRY_WOLFSSL_SOURCE={named}: it is {' or '.join(source.name for source in SOURCES)}")
    return chosen


def ensure(only=None):
    """Where the built library is, made now if need be. None: only the packaged one is to be had. With the name of a
    source, from that one, and `current` stays as it is."""
    named = only or os.environ.get("KFERRY_WOLFSSL_SOURCE")
    if shutil.which("gcc") is None:
        packages.install(PACKAGES)
    for source in sources(named):
        version = source.candidate()
        if version is None:
            continue
        wanted = FOLDER / key_of(version)
        if not (wanted / "VERSION").exists():
            try:
                build(source, version, wanted)
            except Failure as failure:
                say(f"    wolfSSL {version} could not be built from the {source.name}: {failure}")
                continue
        if not only and (not CURRENT.is_symlink() or os.readlink(CURRENT) != wanted.name):
            fresh = FOLDER / f".current-{os.getpid()}"
            fresh.symlink_to(wanted.name)
            fresh.replace(CURRENT)
        return wanted
    if CURRENT.exists() and not named:
        return CURRENT.resolve()
    say("    The packaged wolfSSL serves instead: its TLS is about thirty times slower.")
    return None


def build(source, version, wanted):
    say(f"    wolfSSL {version}: packages and source, from the {source.name}")
    packages.install(PACKAGES)
    work = FOLDER / f".work-{os.getpid()}"
    shutil.rmtree(work, ignore_errors=True)
    try:
        tree = source.fetch(version, work)
        license_check(tree)
        say(f"    wolfSSL {version}: configure")
        stage = work / "stage"
        logged("wolfssl", ["autoreconf", "-fi"], directory=tree, timeout_s=300)
        compiler = "ccache gcc" if shutil.which("ccache") else "gcc"
        logged("wolfssl", ["./configure", "-q", f"--prefix={stage}", *flags()], directory=tree, timeout_s=300,
               environment={"CFLAGS": f"{CFLAGS} -include {RANDOM}", "CC": compiler})
        say(f"    wolfSSL {version}: make (a minute on two cores; once)")
        logged("wolfssl", ["nice", "make", "-s", f"-j{os.cpu_count()}"], directory=tree, timeout_s=1200)
        logged("wolfssl", ["make", "-s", "install-libLTLIBRARIES", "install-nobase_includeHEADERS"], directory=tree,
               timeout_s=120)
        (stage / "VERSION").write_text(f"{version}\n")
        shutil.rmtree(wanted, ignore_errors=True)
        stage.rename(wanted)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def fetch_package(version, work):
    """The patched source tree of the distribution's package. Signatures are checked by apt, as ever."""
    parts = work / "apt/parts"
    for folder in (parts, work / "apt/lists/partial", work / "apt/cache/archives/partial", work / "source"):
        folder.mkdir(parents=True)
    copy_sources(parts)
    configuration = work / "apt/apt.conf"
    configuration.write_text(f'Dir::Etc::sourcelist "/dev/null";\nDir::Etc::sourceparts "{parts}";\n'
                             f'Dir::State::lists "{work}/apt/lists";\nDir::Cache "{work}/apt/cache";\n'
                             'APT::Sandbox::User "root";\nAcquire::Languages "none";\n')
    environment = {"APT_CONFIG": str(configuration)}
    # Other people's archives may have no sources: what counts is whether this one is found.
    logged("wolfssl", ["apt-get", "-q", "update"], environment=environment, timeout_s=300, may_fail=True)
    logged("wolfssl", ["apt-get", "-q", "source", f"wolfssl={version}"], environment=environment,
           directory=work / "source", timeout_s=300)
    trees = [path for path in (work / "source").iterdir() if path.is_dir()]
    if len(trees) != 1:
        raise Failure("apt-get source left no single source tree")
    return trees[0]


def copy_sources(parts):
    """Every configured `deb` entry as `deb-src`, in both of apt's formats."""
    for number, path in enumerate(["/etc/apt/sources.list", *sorted(glob.glob("/etc/apt/sources.list.d/*"))]):
        if not os.path.isfile(path):
            continue
        text = open(path, encoding="utf-8", errors="replace").read()
        if path.endswith(".sources"):
            text = re.sub(r"^Types:.*$", "Types: deb-src", text, flags=re.MULTILINE | re.IGNORECASE)
            (parts / f"{number}.sources").write_text(text)
        elif path.endswith(".list"):
            lines = [re.sub(r"^\s*deb\s", "deb-src ", line) for line in text.splitlines()
                     if re.match(r"^\s*deb\s", line)]
            (parts / f"{number}.list").write_text("".join(f"{line}\n" for line in lines))


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
    raise SystemExit(0 if ensure() else 1)
