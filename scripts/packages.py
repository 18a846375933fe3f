"""The Debian packages that each part of the work needs, listed here alone."""

import functools
import os
import shutil
import subprocess

from progress import CHECKOUT, Failure, logged

BUILD = ["g++", "meson", "ninja-build", "pkg-config", "ccache", "openssl", "libssl-dev", "liburing-dev", "libc-ares-dev",
         "libtomlplusplus-dev", "libcli11-dev", "doctest-dev"]
FORMAT = ["clang-format-19", "git"]
TIDY = ["clang-19", "clang-tidy-19"]
SANITIZERS = ["clang-19", "libclang-rt-19-dev", "llvm-19"]
PYTEST = ["python3-pytest", "python3-jsonschema"]
# valgrind: for its header, too.
BENCH = ["libbenchmark-dev", "valgrind", "haproxy", "nginx", "libnginx-mod-stream"]
PLOT = ["python3-matplotlib"]
GUARD = ["valgrind", "strace"]
DEMO = ["librdkafka-dev", "kcat", "haproxy", "iproute2", "util-linux"]
VECTORS = ["openjdk-17-jdk-headless", "maven"]
GUEST = ["qemu-system-x86", "busybox-static"]
COMMAND_LINE = ["man-db", "zsh", "fish", "haproxy", "iproute2"]
# ./dev release, then what judges its results, then what runs them.
RELEASE = ["git", "binutils", "python3-venv", "ca-certificates", "xz-utils"]
PACKAGING = ["systemd", "apparmor", "logrotate", "dash", "python3-venv", "python3-yaml", "python3-jsonschema", "openssl"]
LINT = ["lintian", "rpmlint", "rpm"]
HOSTS = ["systemd-container", "mmdebstrap", "runc", "skopeo", "umoci", "iproute2", "kcat", "librdkafka-dev",
         "python3-yaml"]
# promtool comes with it.
MONITORING = ["prometheus", "openssl"]


# Where an installed Go may be.
GO_PLACES = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/go/bin", "/usr/lib/go/bin"])


def go():
    """The distribution's Go unless one is installed. Version 1.19 suffices."""
    return [] if shutil.which("go", path=GO_PLACES) else ["golang-go"]


def end_to_end():
    """The laboratory keeps its own list beside its tests."""
    listing = CHECKOUT / "tests/e2e/packages.txt"
    if not listing.exists():
        return []
    lines = (line.split("#")[0].strip() for line in listing.read_text().splitlines())
    return [line for line in lines if line] + ["strace"]


# The program that a package is needed for. Where nothing may be installed, one from elsewhere counts as the package.
PROGRAMS = {"g++": "g++", "gcc": "gcc", "meson": "meson", "ninja-build": "ninja", "pkg-config": "pkg-config",
            "ccache": "ccache", "openssl": "openssl", "git": "git", "clang-19": "clang-19", "haproxy": "haproxy",
            "clang-format-19": "clang-format-19", "clang-tidy-19": "clang-tidy-19", "maven": "mvn", "strace": "strace",
            "openjdk-17-jdk-headless": "javac", "golang-go": "go", "nginx": "nginx", "kcat": "kcat", "man-db": "man",
            "qemu-system-x86": "qemu-system-x86_64", "prometheus": "prometheus", "iproute2": "ip", "zsh": "zsh", "fish": "fish"}
may_install = True


def forbid_installing():
    """From here on install() fails if anything is missing, and names it."""
    global may_install
    may_install = False


@functools.cache
def has_dpkg():
    return shutil.which("dpkg-query") is not None


def absent(names):
    """Those of `names` that are not there in any form. Without dpkg libraries cannot be checked, and are not named."""
    lacking = missing(names) if has_dpkg() else [name for name in dict.fromkeys(names) if name in PROGRAMS]
    return [name for name in lacking if name not in PROGRAMS or shutil.which(PROGRAMS[name]) is None]


def missing(names):
    """Those of `names` that dpkg does not have installed, in order, each once."""
    names = list(dict.fromkeys(names))
    shown = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${Provides} ${db:Status-Status}\n", *names],
                           stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    installed = {line.split()[0] for line in shown.stdout.splitlines() if line.endswith(" installed")}
    return [name for name in names if name not in installed]


def install(names):
    """Installs what is missing. Returns what it did, in words."""
    if not may_install:
        if lacking := absent(names):
            raise Failure(f"missing: {' '.join(lacking)}; --no-install installs nothing")
        return "nothing to install"
    wanted = missing(names)
    if not wanted:
        return "nothing to install"
    as_root = []
    if os.geteuid() != 0:
        if not shutil.which("sudo"):
            raise Failure(f"missing: {' '.join(wanted)}. Run as root, install sudo, or install them by hand")
        as_root = ["sudo", "-n", "env", "DEBIAN_FRONTEND=noninteractive"]
    command = [*as_root, "apt-get", "-q", "-y", "-o", "DPkg::Lock::Timeout=300"]
    # A JDK's post-install script needs this folder, which minimal images leave out.
    if any("openjdk" in name for name in wanted):
        make_folder = [*as_root, "mkdir", "-p", "/usr/share/man/man1"]
        logged("packages", make_folder)
    environment = {"DEBIAN_FRONTEND": "noninteractive"}
    logged("packages", [*command, "update"], environment=environment, timeout_s=600)
    logged("packages", [*command, "install", "--no-install-recommends", *wanted], environment=environment,
           timeout_s=1800)
    return f"installed {' '.join(wanted)}"
