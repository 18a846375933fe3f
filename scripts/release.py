"""Makes what a release consists of, in build/dist: one static binary, and from it tarball, deb, rpm and container
image, with debug symbols, an SBOM, the sources and SHA256SUMS.

The binary is linked once and goes into every package. Everything follows from the commit: two builds in different
directories, under any umask, time zone and locale, are equal byte for byte. Times are the commit's
(SOURCE_DATE_EPOCH overrides them), paths in the binary are relative to the checkout, and archives are sorted.
packaging/README.md says which of the results to install.
"""

import datetime
import gzip
import hashlib
import io
import json
import os
import pathlib
import re
import shutil
import string
import subprocess
import tarfile

import builds
import release_image
import release_sbom
from progress import BUILD, CHECKOUT, Failure, logged, say

DIST = BUILD / "dist"
PACKAGING = CHECKOUT / "packaging"
# The map that the linker writes lists every archive that is in the binary.
MAP = "kferry.map"
STATIC = builds.Tree("static", "g++", (
    "-Dbuildtype=release", "-Ddebug=true", "-Doptimization=3", "-Dprefer_static=true", "-Db_pie=true",
    f"-Dcpp_args=['-ffile-prefix-map={CHECKOUT}=.']", f"-Dcpp_link_args=['-static-pie', '-Wl,-Map={MAP}']"))
REVISION = "1"  # of the packages, where only the packaging changes
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
# nfpm and the validators, in the versions that the tests ran with.
TOOLS = BUILD / "packaging-tools"
REQUIREMENTS = PACKAGING / "requirements.txt"
# Names that a program reads as the locale, the time zone or where to look for more settings.
ENVIRONMENT = {"LC_ALL": "C.UTF-8", "TZ": "UTC"}
SHELLS = {"bash": "usr/share/bash-completion/completions/kferry", "zsh": "usr/share/zsh/vendor-completions/_kferry",
          "fish": "usr/share/fish/vendor_completions.d/kferry.fish"}
MAINTAINER = "The kferry authors <kferry@localhost>"


def tool(name):
    """A tool of packaging/requirements.txt, installed into a virtual environment of its own when it is missing."""
    installed = TOOLS / "installed.txt"
    if not installed.exists() or installed.read_text() != REQUIREMENTS.read_text():
        shutil.rmtree(TOOLS, ignore_errors=True)
        logged("release", ["/usr/bin/python3", "-m", "venv", TOOLS])
        logged("release", [TOOLS / "bin/pip", "install", "--quiet", "--disable-pip-version-check", "-r", REQUIREMENTS])
        shutil.copyfile(REQUIREMENTS, installed)
    return TOOLS / "bin" / name


def git(*words):
    command = ["git", "-c", f"safe.directory={CHECKOUT}", "-C", str(CHECKOUT), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failure(f"git {words[0]}: {done.stderr.strip()}: a release is made from a git checkout")
    return done.stdout.strip()


class Release:
    """What is being released: its version, its time, and where its files go."""

    def __init__(self):
        self.version = re.search(r"version: '([^']+)'", (CHECKOUT / "meson.build").read_text())[1]
        self.commit = git("rev-parse", "HEAD")
        self.epoch = int(os.environ.get("SOURCE_DATE_EPOCH") or git("log", "-1", "--format=%ct"))
        self.made = datetime.datetime.fromtimestamp(self.epoch, datetime.timezone.utc)
        machine = os.uname().machine
        if machine not in ARCHITECTURES:
            raise Failure(f"no packages are made for {machine}: {', '.join(ARCHITECTURES)}")
        self.machine, self.architecture = machine, ARCHITECTURES[machine]
        self.tree = STATIC.path
        self.root = self.tree / "root"  # the files of the packages, at their places
        self.symbols = self.tree / f"kferry-{self.version}-linux-{self.architecture}.debug"
        self.sbom = DIST / f"kferry-{self.version}-linux-{self.architecture}.cdx.json"

    def write(self, name, data, mode=0o644):
        """One file of the packages, dated like all of them."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        path.chmod(mode)
        os.utime(path, (self.epoch, self.epoch))


def link(release):
    """The binary, stripped, at its place; its symbols beside it."""
    (release.tree / "src/cli/kferry").unlink(missing_ok=True)  # so that the map is written, too
    builds.compile_tree(STATIC, ("src/cli/kferry",))
    linked = STATIC.kferry
    stripped = release.tree / "kferry-stripped"
    logged("release", ["objcopy", "--only-keep-debug", "--compress-debug-sections", linked, release.symbols])
    logged("release", ["strip", "-o", stripped, linked])
    logged("release", ["objcopy", f"--add-gnu-debuglink={release.symbols}", stripped])
    release.write("usr/bin/kferry", stripped.read_bytes(), 0o755)
    kind = subprocess.run(["readelf", "-ld", linked], capture_output=True, text=True, check=True).stdout
    if "INTERP" in kind or "(NEEDED)" in kind:
        raise Failure(f"{linked} still needs a shared library or a loader")


def compressed(data):
    return gzip.compress(data, 9, mtime=0)


def stage(release):
    """Everything that the packages hold besides the binary and the SBOM."""
    kferry = release.root / "usr/bin/kferry"
    for shell, place in SHELLS.items():
        script = subprocess.run([kferry, "completion", shell], capture_output=True, check=True, env=ENVIRONMENT).stdout
        release.write(place, script)
    release.write("usr/share/man/man1/kferry.1.gz", compressed((CHECKOUT / "docs/kferry.1").read_bytes()))
    release.write("usr/share/doc/kferry/changelog.gz", compressed((CHECKOUT / "CHANGELOG.md").read_bytes()))
    release.write("usr/share/doc/kferry/copyright", (PACKAGING / "copyright").read_bytes())
    for name in ("kferry.service", "kferry.socket"):
        release.write(f"usr/lib/systemd/system/{name}", (PACKAGING / "systemd" / name).read_bytes())
    release.write("usr/lib/sysusers.d/kferry.conf", (PACKAGING / "systemd/sysusers.conf").read_bytes())
    release.write("usr/lib/tmpfiles.d/kferry.conf", (PACKAGING / "systemd/tmpfiles.conf").read_bytes())
    release.write("usr/lib/kferry/configured", (PACKAGING / "systemd/configured").read_bytes(), 0o755)
    release.write("etc/kferry/kferry.toml", (PACKAGING / "kferry.toml").read_bytes(), 0o640)
    release.write("etc/logrotate.d/kferry", (PACKAGING / "logrotate").read_bytes())
    release.write("usr/share/lintian/overrides/kferry", (PACKAGING / "deb/lintian-overrides").read_bytes())
    release.write("usr/share/doc/kferry/examples/apparmor/usr.bin.kferry", (PACKAGING / "apparmor").read_bytes())
    release.write("etc/needrestart/conf.d/kferry.conf", (PACKAGING / "deb/needrestart.conf").read_bytes())
    for folder in ("prometheus", "grafana", "examples"):
        for path in sorted((PACKAGING / folder).rglob("*")):
            if path.is_file():
                release.write(f"usr/share/doc/kferry/examples/{path.relative_to(PACKAGING)}", path.read_bytes())


def changelog(release):
    """What nfpm makes the packages' own changelogs of. changelog.gz is the one for operators."""
    path = release.tree / "changelog.yaml"
    path.write_text(json.dumps([{
        "semver": f"{release.version}-{REVISION}", "date": f"{release.made:%Y-%m-%dT%H:%M:%SZ}", "packager": MAINTAINER,
        "deb": {"urgency": "medium", "distributions": ["unstable"]},
        "changes": [{"note": f"Release {release.version}; changelog.gz lists what changes for operators."}]}]))
    return path


def documents(release):
    """The entries of nfpm.yaml for the documentation: files, which RPM marks as such, and their folders, which it would
    otherwise leave behind."""
    folder = release.root / "usr/share/doc/kferry"
    entries = []
    for path in [folder, *sorted(folder.rglob("*"))]:
        place = f"/{path.relative_to(release.root)}"
        if path.is_dir():
            entries.append(f"  - {{dst: {place}, type: dir, file_info: {{mode: 0755}}}}")
        else:
            entries += [f'  - {{src: "{path}", dst: {place}, packager: {kind}}}' for kind in ("deb", "rpm, type: doc")]
    return "\n".join(entries)


def make_packages(release, built_using):
    """deb and rpm, from packaging/nfpm.yaml."""
    description = release.tree / "nfpm.yaml"
    known = {"VERSION": release.version, "REVISION": REVISION, "ARCH": release.architecture, "ROOT": str(release.root),
             "PACKAGING": str(PACKAGING), "MAINTAINER": MAINTAINER, "STATIC_BUILT_USING": built_using,
             "DOCUMENTS": documents(release), "CHANGELOG": str(changelog(release)), "MTIME": release.made.isoformat()}
    description.write_text(string.Template((PACKAGING / "nfpm.yaml").read_text()).substitute(known))
    names = {"deb": f"kferry_{release.version}-{REVISION}_{release.architecture}.deb",
             "rpm": f"kferry-{release.version}-{REVISION}.{release.machine}.rpm"}
    for packager, name in names.items():
        logged("release", [tool("nfpm"), "package", "--config", description, "--packager", packager, "--target",
                           DIST / name], environment={**ENVIRONMENT, "SOURCE_DATE_EPOCH": str(release.epoch)})


def tarball(path, entries, epoch):
    """A .tar.gz of (name inside, bytes, mode), sorted, owned by root, with one time."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, data, mode in sorted(entries):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode, entry.mtime = len(data), mode, epoch
            entry.uname = entry.gname = "root"
            archive.addfile(entry, io.BytesIO(data))
    path.write_bytes(compressed(raw.getvalue()))


def tarballs(release):
    top = f"kferry-{release.version}-linux-{release.architecture}"
    tidy = {"usr/bin/kferry": "kferry", "usr/share/man/man1/kferry.1.gz": "kferry.1.gz",
            "etc/kferry/kferry.toml": "kferry.toml", "usr/lib/kferry/configured": "systemd/configured",
            "usr/share/doc/kferry/copyright": "copyright", "usr/lib/systemd/system/kferry.service":
            "systemd/kferry.service", "usr/lib/systemd/system/kferry.socket": "systemd/kferry.socket"}
    entries = [(f"{top}/{name}", (release.root / place).read_bytes(), (release.root / place).stat().st_mode & 0o755)
               for place, name in tidy.items()]
    entries += [(f"{top}/{name}", text, 0o644) for name, text in licences().items()]
    tarball(DIST / f"{top}.tar.gz", entries, release.epoch)
    tarball(DIST / f"{top}-debug.tar.gz", [(release.symbols.name, release.symbols.read_bytes(), 0o644)], release.epoch)
    folder = PACKAGING / "kubernetes"
    entries = [(f"kferry-{release.version}-kubernetes/{path.relative_to(folder)}", path.read_bytes(), 0o644)
               for path in sorted(folder.rglob("*")) if path.is_file()]  # what the chart links to goes in as files
    tarball(DIST / f"kferry-{release.version}-kubernetes.tar.gz", entries, release.epoch)
    source = subprocess.run(["git", "-c", f"safe.directory={CHECKOUT}", "archive", "--format=tar",
                             f"--prefix=kferry-{release.version}/", "HEAD"], cwd=CHECKOUT, capture_output=True,
                            check=True).stdout
    (DIST / f"kferry-{release.version}-source.tar.gz").write_bytes(compressed(source))


def licences():
    """The texts that a binary must come with where no distribution brings them."""
    known = pathlib.Path("/usr/share/common-licenses")
    return {"LICENSE.GPL-3": (known / "GPL-3").read_bytes(), "LICENSE.LGPL-2.1": (known / "LGPL-2.1").read_bytes(),
            "LICENSE.Apache-2.0": (CHECKOUT / "LICENSE").read_bytes()}


def checksums():
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n"
             for path in sorted(DIST.iterdir()) if path.name != "SHA256SUMS"]
    (DIST / "SHA256SUMS").write_text("".join(lines))


def make():
    """Makes build/dist anew. Returns the Release."""
    os.umask(0o022)
    os.environ.update(ENVIRONMENT)
    release = Release()
    if git("status", "--porcelain", "--untracked-files=no"):
        say("    the checkout has changes that are not committed: this is not a release of any commit")
    shutil.rmtree(release.root, ignore_errors=True)
    shutil.rmtree(DIST, ignore_errors=True)
    DIST.mkdir(parents=True)
    link(release)
    parts = release_sbom.parts_of(release.tree, MAP)
    release.sbom.write_text(release_sbom.document(release, parts))
    release_sbom.validate(tool("python3"), release.sbom)
    stage(release)
    release.write("usr/share/doc/kferry/kferry.cdx.json", release.sbom.read_bytes())
    make_packages(release, release_sbom.static_built_using(parts))
    tarballs(release)
    release_image.write(release, DIST / f"kferry-{release.version}-image-{release.architecture}.tar", licences())
    checksums()
    return release
