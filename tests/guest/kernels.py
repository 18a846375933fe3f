"""Debian's kernels for the guest: fetched as packages, never installed; the image and the modules that kernel TLS
needs are kept in .cache/guest, apart from build/, so that they are fetched once."""

import contextlib
import lzma
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass

import other_suite

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
CACHE = CHECKOUT / ".cache/guest"
# Where a series is that the machine's own suites do not have.
SUITES = {"6.18": "trixie-backports"}
# Kernel TLS, and its three ciphers with and without the processor's instructions. A kernel that has one of these built
# in, or names it otherwise, goes without the file.
MODULES = ["aesni_intel", "ghash_generic", "ghash_clmulni_intel", "ctr", "seqiv", "gcm", "chacha_generic",
           "chacha_x86_64", "chacha", "poly1305_generic", "poly1305_x86_64", "chacha20poly1305", "tls"]


class Unavailable(Exception):
    """This kernel cannot be had here; the text says why."""


@dataclass(frozen=True)
class Kernel:
    series: str  # "6.12"
    folder: pathlib.Path

    @property
    def image(self):
        return self.folder / "vmlinuz"

    def modules(self):
        """Files in the order in which they are to be loaded."""
        return [self.folder / name for name in (self.folder / "modules").read_text().split()]


def fetch(series):
    """The newest kernel of `series`, from the cache if it is there."""
    cached = [path for path in sorted(CACHE.glob(pattern(series, glob=True)), key=newness)
              if (path / "modules").exists()]
    try:
        with apt_of(series) as environment:
            names = published(series, environment)
            if not names:
                raise Unavailable(f"apt knows no linux-image-{series}.*-cloud-amd64")
            wanted = CACHE / names[-1]
            if wanted not in cached:
                unpack(wanted, environment)
    except Unavailable:
        if not cached:
            raise
        wanted = cached[-1]
    for other in CACHE.glob(pattern(series, glob=True)):
        if other != wanted:
            shutil.rmtree(other, ignore_errors=True)
    return Kernel(series, wanted)


@contextlib.contextmanager
def apt_of(series):
    """The environment in which apt knows the series' packages."""
    if series not in SUITES:
        yield dict(os.environ)
        return
    with tempfile.TemporaryDirectory(prefix="kferry-apt-") as folder:
        try:
            environment = os.environ | other_suite.environment(SUITES[series], folder)
        except other_suite.NoSuite as reason:
            raise Unavailable(str(reason)) from None
        # Without --error-on=any it contents itself with the lists that it has, here none.
        run(["apt-get", "-q", "update", "--error-on=any"], folder, environment)
        yield environment


def pattern(series, glob=False):
    return f"linux-image-{series}.*-cloud-amd64" if glob else rf"^linux-image-{re.escape(series)}\..*-cloud-amd64$"


def newness(name):
    return [int(number) for number in re.findall(r"\d+", str(name).rpartition("/")[2])]


def published(series, environment):
    """Names of the packages that apt knows, the newest last."""
    shown = subprocess.run(["apt-cache", "search", "--names-only", pattern(series)], capture_output=True, text=True,
                           env=environment, check=False).stdout
    return sorted((line.split()[0] for line in shown.splitlines()), key=newness)


def run(command, directory, environment=None):
    try:
        done = subprocess.run([str(word) for word in command], cwd=directory, capture_output=True, text=True,
                              timeout=300, env=environment, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"{command[0]}: {error}") from None
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise Unavailable(f"{command[0]}: {lines[-1] if lines else f'status {done.returncode}'}")


def unpack(folder, environment):
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE, prefix=".work-") as work_name:
        work = pathlib.Path(work_name)
        sandbox = ["-o", "APT::Sandbox::User=root"] if os.geteuid() == 0 else []
        run(["apt-get", "-q", *sandbox, "download", folder.name], work, environment)
        package = next(work.glob("*.deb"), None)
        if package is None:
            raise Unavailable(f"apt-get download left no {folder.name}")
        run(["dpkg-deb", "-x", package, "tree"], work)
        fresh = work / "fresh"
        fresh.mkdir()
        shutil.copyfile(next((work / "tree/boot").glob("vmlinuz-*")), fresh / "vmlinuz")
        (fresh / "modules").write_text("".join(f"{name}\n" for name in take_modules(work / "tree", fresh)))
        shutil.rmtree(folder, ignore_errors=True)
        fresh.rename(folder)


def content_of(module):
    if module.suffix == ".xz":
        return lzma.decompress(module.read_bytes())
    if module.suffix == ".zst":
        run(["zstd", "-dqf", module, "-o", module.with_suffix("")], module.parent)
        return module.with_suffix("").read_bytes()
    return module.read_bytes()


def take_modules(tree, into):
    """Copies MODULES and what they depend on; their file names, dependencies first."""
    files = {path.name.partition(".")[0].replace("-", "_"): path for path in tree.rglob("*.ko*")}
    taken = []

    def take(name):
        target = into / f"{name}.ko"
        if name not in files or target.name in taken:
            return
        data = content_of(files[name])
        depends = re.search(rb"\0depends=([^\0]*)\0", data)
        for other in depends[1].decode().split(",") if depends else ():
            take(other.replace("-", "_"))
        target.write_bytes(data)
        taken.append(target.name)

    for name in MODULES:
        take(name)
    if "tls.ko" not in taken:
        raise Unavailable("the package has no module tls")
    return taken
