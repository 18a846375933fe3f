"""Where packages and images are tried: a network namespace with a cluster of three brokers in it, and a host that boots
systemd in a container.

The cluster is librdkafka's mock cluster (demo/mock_cluster.cc); kferry runs in the cluster's namespace, and so does kcat.
"""

import hashlib
import os
import pathlib
import shutil
import socket
import subprocess
import tarfile

from conftest import run
from lab.namespaces import Namespace
from lab.processes import Process

TOPIC = "orders"
BOOT_S = 120
# What the host has beside the smallest Debian: what the packages depend on, and rpm.
HOST_PACKAGES = "systemd-sysv,init-system-helpers,procps,rpm,logrotate,ca-certificates"


def pass_a_record(namespace, port, text):
    """Produces one record through the kferry at localhost in `namespace`, and reads it back through it."""
    inside = [*namespace.enter_command(), "kcat", "-b", f"127.0.0.1:{port}", "-t", TOPIC, "-p", "0"]
    sent = subprocess.run([*inside, "-P", "-X", "acks=all"], input=text, text=True, capture_output=True, timeout=60,
                          check=False)
    assert sent.returncode == 0, sent.stderr
    read = subprocess.run([*inside, "-C", "-o", "-1", "-e", "-q"], text=True, capture_output=True, timeout=60,
                          check=False)
    assert (read.returncode, read.stdout.strip()) == (0, text), read.stderr


class MockCluster:
    def __init__(self, directory):
        self.namespace = Namespace("packaging")
        self._brokers = Process([os.environ["KFERRY_MOCK_CLUSTER"], TOPIC], directory / "brokers.log", self.namespace)
        self.bootstrap = self._brokers.wait_for_line(r"^bootstrap (\S+)", 30)[1]

    def pass_a_record(self, port, text):
        pass_a_record(self.namespace, port, text)

    def close(self):
        self._brokers.kill()
        self.namespace.delete()


class Host:
    """A Debian of its own that systemd-nspawn boots, in the namespace of a MockCluster. It reaches no network."""

    def __init__(self, image, directory, namespace):
        self.root = directory / "root"
        self.root.mkdir()
        with tarfile.open(image) as archive:
            archive.extractall(self.root, filter="fully_trusted") if hasattr(tarfile, "data_filter") else \
                archive.extractall(self.root)
        (self.root / "etc/machine-id").write_text("")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as booted:
            booted.bind(str(directory / "notify"))
            booted.settimeout(BOOT_S)
            self._console = Process(
                ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--console=pipe", "--boot",
                 "--notify-ready=yes", f"--network-namespace-path=/run/netns/{namespace.name}",
                 f"--machine=kferry-{os.getpid()}", "-D", self.root], directory / "console.log",
                environment={**os.environ, "NOTIFY_SOCKET": str(directory / "notify")})
            while b"READY=1" not in booted.recv(4096).split(b"\n"):
                pass
        children = pathlib.Path(f"/proc/{self._console.pid}/task/{self._console.pid}/children").read_text().split()
        assert len(children) == 1, children
        self._leader = children[0]

    def run(self, *words, timeout=120):
        return run("nsenter", "--target", self._leader, "--all", "--", *words, timeout=timeout,
                   env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"})

    def well(self, *words, timeout=120):
        """The output of a command that must succeed."""
        done = self.run(*words, timeout=timeout)
        assert done.returncode == 0, f"{words}: {done.stdout}"
        return done.stdout

    def unit(self, *properties):
        shown = self.well("systemctl", "show", "kferry.service", *(f"--property={name}" for name in properties))
        return dict(line.split("=", 1) for line in shown.splitlines())

    def files_named_kferry(self):
        """Below the root, without what is mounted inside."""
        return sorted(run("find", ".", "-xdev", "-iname", "*kferry*", cwd=self.root).stdout.splitlines())

    def close(self):
        self._console.kill()
        shutil.rmtree(self.root, ignore_errors=True)


def host_image(folder):
    """The host's root as a tar archive in `folder`, made once."""
    path = folder / f"host-bookworm-{hashlib.sha256(HOST_PACKAGES.encode()).hexdigest()[:10]}.tar"
    if not path.exists():
        sources = [str(found) for found in pathlib.Path("/etc/apt").glob("sources.list*")]
        lists = [name for name in sources if os.path.isfile(name)]
        lists += sorted(str(found) for found in pathlib.Path("/etc/apt/sources.list.d").glob("*")
                        if found.suffix in (".list", ".sources") and "debian" in found.read_text())
        fresh = path.with_name(f"fresh-{os.getpid()}.tar")
        made = run("mmdebstrap", "--variant=minbase", f"--include={HOST_PACKAGES}", "bookworm", fresh, *lists,
                   timeout=1800)
        assert made.returncode == 0, made.stdout[-2000:]
        fresh.rename(path)
    return path
