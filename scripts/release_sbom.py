"""Lists what is inside the static binary, as CycloneDX 1.6. The build itself says it: the linker's map names the archives
that were linked in, and ninja's record of dependencies the libraries that are headers alone.

A scanner finds nothing in a static C++ binary, so each part carries a purl and, where the National Vulnerability
Database has a name for it, a CPE. An archive of unknown origin is an error: an SBOM with a gap is worse than no release.
"""

import hashlib
import json
import re
import subprocess
import uuid
from dataclasses import dataclass

import wolfssl
from progress import CHECKOUT, Failure, logged

# The source packages that may be inside: licence, CPE (vendor, product), and where the upstream project is.
KNOWN = {
    "glibc": ("LGPL-2.1-or-later", ("gnu", "glibc"), "https://www.gnu.org/software/libc/"),
    "gcc-12": ("GPL-3.0-or-later WITH GCC-exception-3.1", None, "https://gcc.gnu.org/"),
    "openssl": ("Apache-2.0", ("openssl", "openssl"), "https://openssl-library.org/"),
    "c-ares": ("MIT", ("c-ares", "c-ares"), "https://c-ares.org/"),
    "liburing": ("LGPL-2.1-only OR MIT", None, "https://github.com/axboe/liburing"),
    "tomlplusplus": ("MIT", None, "https://github.com/marzer/tomlplusplus"),
    "cli11": ("BSD-3-Clause", None, "https://github.com/CLIUtils/CLI11"),
}
# Libraries that are headers alone leave no archive: what their headers' paths contain.
HEADERS_ALONE = re.compile(r"/usr/include/(?:toml\+\+|CLI)/\S+")
OWN_LICENCE, BINARY_LICENCE = "Apache-2.0", "GPL-3.0-or-later"


@dataclass(frozen=True, order=True)
class Part:
    name: str  # of Debian's source package, or wolfssl
    version: str  # Debian's, or upstream's

    @property
    def upstream(self):
        """The version without Debian's epoch and revision."""
        return re.sub(r"[+~.](?:ds|dfsg).*", "", self.version.split(":")[-1].rsplit("-", 1)[0])

    @property
    def purl(self):
        if self.name == "wolfssl":
            return f"pkg:github/wolfSSL/wolfssl@v{self.version}-stable"
        return f"pkg:deb/debian/{self.name}@{self.version.replace('+', '%2B').replace(':', '%3A')}?arch=source"

    @property
    def cpe(self):
        vendor_product = ("wolfssl", "wolfssl") if self.name == "wolfssl" else KNOWN[self.name][1]
        return f"cpe:2.3:a:{':'.join(vendor_product)}:{self.upstream}:*:*:*:*:*:*:*" if vendor_product else None


def debian_sources(paths):
    """The Parts that own files of this host."""
    paths = sorted(set(paths))
    shown = subprocess.run(["dpkg", "-S", *paths], capture_output=True, text=True, check=False).stdout
    owners = {path: names.split(",")[0] for names, path in re.findall(r"^(\S[^/]*): (/.*)$", shown, re.MULTILINE)}
    if orphans := [path for path in paths if path not in owners]:
        raise Failure(f"{orphans[0]} belongs to no Debian package: a release is made on Debian, from its packages")
    shown = subprocess.run(["dpkg-query", "-W", "-f", "${source:Package} ${source:Version}\n", *set(owners.values())],
                           capture_output=True, text=True, check=True).stdout
    return {Part(*line.split()) for line in shown.splitlines()}


def parts_of(tree, map_name):
    """Every Part of the binary in a tree that was built, sorted."""
    members = re.findall(r"^(\S+\.a)\(", (tree / map_name).read_text(errors="replace"), re.MULTILINE)
    archives = {(tree / name).resolve() for name in members}
    own = {archive for archive in archives if wolfssl.FOLDER.resolve() in archive.parents}
    parts = {Part("wolfssl", wolfssl.VERSION)} if own else set()
    dependencies = subprocess.run(["ninja", "-C", tree, "-t", "deps"], capture_output=True, text=True,
                                  check=True).stdout
    others = [str(archive) for archive in archives - own if tree.resolve() not in archive.parents]
    parts |= debian_sources([*others, *HEADERS_ALONE.findall(dependencies)])
    names = {part.name for part in parts}
    if unknown := names - set(KNOWN) - {"wolfssl"}:
        raise Failure(f"{', '.join(sorted(unknown))} is in the binary, but release_sbom.py and packaging/copyright do "
                      "not know its licence: add it to both")
    if missing := {"wolfssl", "openssl", "glibc"} - names:
        raise Failure(f"the linker's map does not name {', '.join(sorted(missing))}: it is not that of a static binary")
    return sorted(parts)


def static_built_using(parts):
    """The field of a Debian package. wolfSSL is not one of Debian's sources; debian/copyright and the SBOM name it."""
    return ", ".join(f"{part.name} (= {part.version})" for part in parts if part.name != "wolfssl")


def component(part):
    licence, home = (("GPL-3.0-or-later", "https://www.wolfssl.com/") if part.name == "wolfssl"
                     else (KNOWN[part.name][0], KNOWN[part.name][2]))
    one = {"type": "library", "bom-ref": part.purl, "name": part.name, "version": part.version,
           "licenses": [{"expression": licence}], "purl": part.purl,
           "externalReferences": [{"type": "website", "url": home}]}
    if part.name == "wolfssl":
        one["description"] = (f"The source is that of the crate {wolfssl.CRATE} {wolfssl.CRATE_VERSION}, with "
                              "scripts/wolfssl.patch and scripts/wolfssl_random.h")
        one["hashes"] = [{"alg": "SHA-256", "content": wolfssl.SHA256}]
        one["pedigree"] = {"patches": [{"type": "unofficial", "diff": {"text": {
            "contentType": "text/x-diff", "content": (CHECKOUT / "scripts/wolfssl.patch").read_text()}}}]}
    if part.cpe:
        one["cpe"] = part.cpe
    return one


def document(release, parts):
    """The text of the SBOM."""
    binary = (release.root / "usr/bin/kferry").read_bytes()
    own = f"pkg:generic/kferry@{release.version}"
    digest = hashlib.sha256(binary).hexdigest()
    compiler = next(part for part in parts if part.name.startswith("gcc-"))
    return json.dumps({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1,
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'{own}#{release.commit}#{digest}')}",
        "metadata": {
            "timestamp": f"{release.made:%Y-%m-%dT%H:%M:%SZ}", "lifecycles": [{"phase": "build"}],
            "tools": {"components": [{"type": "application", "name": compiler.name, "version": compiler.version}]},
            "component": {
                "type": "application", "bom-ref": own, "name": "kferry", "version": release.version, "purl": own,
                "description": "A passthrough proxy for Apache Kafka: one static binary. Its sources are under "
                               f"{OWN_LICENCE}; with wolfSSL inside, the binary is under {BINARY_LICENCE}.",
                "licenses": [{"expression": BINARY_LICENCE}],
                "hashes": [{"alg": "SHA-256", "content": digest}],
                "properties": [{"name": "kferry:commit", "value": release.commit},
                               {"name": "kferry:architecture", "value": release.architecture}]}},
        "components": [component(part) for part in parts],
        "dependencies": [{"ref": own, "dependsOn": [part.purl for part in parts]},
                         *({"ref": part.purl} for part in parts)],
    }, indent=2) + "\n"


VALIDATE = """
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(open(sys.argv[1]).read())
sys.exit(str(error) if error else 0)
"""


def validate(python, path):
    """Fails unless the file fits the schema of CycloneDX 1.6, strictly."""
    logged("release", [python, "-c", VALIDATE, path])
