"""deb and rpm on a host of their own that boots systemd: install, configure, first record, upgrade, remove, purge.

The order within a test is a host's life, so each test is one.
"""

import os
import pathlib
import re
import subprocess
import threading
import time

import pytest
from conftest import run
from places import TOPIC, MockCluster, Host, host_image
from test_files import filled_in

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="systemd-nspawn and network namespaces need root")
PORT = 6969
FIRST_RECORD_S = 60
REMEDY = "could not be upgraded in place and continues as it is"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    made = MockCluster(tmp_path_factory.mktemp("cluster"))
    yield made
    made.close()


@pytest.fixture
def host(cluster, tmp_path):
    image = host_image(pathlib.Path(os.environ["KFERRY_DIST"]).parent)
    made = Host(image, tmp_path, cluster.namespace)
    yield made
    made.close()


def copied(host, package):
    (host.root / "opt" / package.name).write_bytes(package.read_bytes())
    return f"/opt/{package.name}"


def configure(host, cluster):
    """What an administrator does: fills in two lines, checks, starts."""
    file = host.root / "etc/kferry/kferry.toml"
    text = filled_in(file.read_text())
    servers = ", ".join(f'"{server}"' for server in cluster.bootstrap.split(","))
    text = text.replace('["kafka1.example.com:9092"]', f"[{servers}]").replace('"kafka.example.com"', '"127.0.0.1"')
    file.write_text(text.replace('ports = "6969-6971"', 'ports = "6969-6971"\nmin_broker_id = 1'))
    host.well("kferry", "check")
    host.well("systemctl", "start", "kferry")


def is_not_started_and_says_why(host):
    status = host.run("systemctl", "status", "kferry").stdout
    assert "inactive (dead)" in status, status
    assert "fill in bootstrap_servers and advertised_host in /etc/kferry/kferry.toml" in status, status
    assert host.unit("Result", "ActiveState") == {"Result": "exec-condition", "ActiveState": "inactive"}


def serves_confined(host):
    shown = host.unit("ActiveState", "User", "MainPID", "StatusText")
    assert (shown["ActiveState"], shown["User"]) == ("active", "kferry")
    version = host.well("kferry", "--version").split()[1]
    assert shown["StatusText"].startswith(f"{version}: 1 listener, "), shown
    journal = host.well("journalctl", "--unit", "kferry", "--output", "cat")
    assert re.search(r"cause=ready .* on io_uring", journal), journal
    status = host.well("cat", f"/proc/{shown['MainPID']}/status")
    assert re.search(r"^CapEff:\s+0+$", status, re.MULTILINE) and re.search(r"^Seccomp:\s+2$", status, re.MULTILINE)
    return shown["MainPID"]


def follows_a_reload(host, cluster):
    """A second listener, by `systemctl reload`, which returns once it listens."""
    before = host.unit("MainPID")
    with open(host.root / "etc/kferry/kferry.toml", "a", encoding="utf-8") as file:
        file.write('[cluster.default.listener.second]\nadvertised_host = "127.0.0.1"\nports = "7969-7971"\n'
                   'security_protocol = "PLAINTEXT"\nmin_broker_id = 1\n')
    host.well("systemctl", "reload", "kferry")
    cluster.pass_a_record(7969, "through a listener that a reload has added")
    assert host.unit("MainPID") == before


def keeps_serving_through_a_refused_upgrade(host, cluster, *install):
    """Without its control socket the running kferry cannot be asked. It stays, and so do its connections."""
    before = host.unit("MainPID", "ActiveEnterTimestampMonotonic")
    host.run("rm", "-f", "/run/kferry/control.sock")
    client = cluster.namespace.connect(("127.0.0.1", PORT))
    client.sendall(b"\0\0")  # the beginning of a frame, so that the connection is in use
    done = host.run(*install)
    assert done.returncode == 0, done.stdout
    assert REMEDY in done.stdout and "systemctl restart kferry" in done.stdout, done.stdout
    assert host.unit("MainPID", "ActiveEnterTimestampMonotonic") == before
    client.setblocking(False)
    with pytest.raises(BlockingIOError):
        client.recv(1)
    client.close()
    cluster.pass_a_record(PORT, "after a refused upgrade")


def serves_by_its_socket_unit(host, cluster):
    """systemd holds the ports: the first client starts kferry, and none is refused while it restarts."""
    host.well("systemctl", "stop", "kferry")
    host.well("systemctl", "start", "kferry.socket")
    assert host.unit("ActiveState")["ActiveState"] == "inactive"
    cluster.pass_a_record(PORT, "through a socket that systemd holds")
    before = host.unit("MainPID", "ActiveState")
    assert before["ActiveState"] == "active"
    host.well("systemctl", "restart", "--no-block", "kferry")
    cluster.namespace.connect(("127.0.0.1", PORT)).close()
    cluster.pass_a_record(PORT, "through a restart")
    assert host.unit("MainPID")["MainPID"] != before["MainPID"]
    host.well("systemctl", "stop", "kferry.socket")


class Producer:
    """Sends numbered records to one partition, acks=all, some hundred a second, until it is asked to stop."""

    def __init__(self, cluster):
        self._client = [*cluster.namespace.enter_command(), "kcat", "-b", f"127.0.0.1:{PORT}", "-t", TOPIC, "-p", "1"]
        self._process = subprocess.Popen(
            [*self._client, "-P", "-X", "acks=all", "-X", "linger.ms=1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, bufsize=1)
        self.sent, self._ended = 0, threading.Event()
        self._feeder = threading.Thread(target=self._feed)
        self._feeder.start()

    def _feed(self):
        while not self._ended.wait(0.003):
            self._process.stdin.write(f"record {self.sent}\n")
            self.sent += 1
        self._process.stdin.close()

    def lost(self):
        """Stops, and returns the records that cannot be read, and what kcat has said if it failed."""
        self._ended.set()
        self._feeder.join()
        said = self._process.stdout.read()
        if self._process.wait(60) != 0:
            return said
        read = run(*self._client, "-C", "-o", "beginning", "-e", "-q")
        assert read.returncode == 0, read.stdout
        return {f"record {number}" for number in range(self.sent)} - set(read.stdout.splitlines())


def is_upgraded_by_its_package(host, cluster, *install):
    """`kferry upgrade` hands the sockets over, systemd follows the new process, the old one drains: no record is lost."""
    before = host.unit("MainPID")["MainPID"]
    producer = Producer(cluster)
    try:
        cluster.pass_a_record(PORT, "before an upgrade")
        began = producer.sent
        done = host.run(*install)
        ended = producer.sent
    finally:
        lost = producer.lost()
    assert done.returncode == 0 and REMEDY not in done.stdout, done.stdout
    assert ended > began
    assert not lost, lost
    after = host.unit("MainPID", "ActiveState", "NRestarts")
    assert after["MainPID"] != before
    assert (after["ActiveState"], after["NRestarts"]) == ("active", "0")
    host.well("kferry", "health", "--serving")
    cluster.pass_a_record(PORT, "after an upgrade")


def test_the_life_of_a_deb(host, cluster, one):
    package = copied(host, one("*.deb"))
    began = time.monotonic()
    host.well("dpkg", "--install", package)
    is_not_started_and_says_why(host)
    units = [f"/usr/lib/systemd/system/kferry.{kind}" for kind in ("service", "socket")]
    assert host.well("systemd-analyze", "verify", "--man=no", *units) == ""
    assert host.well("stat", "-c", "%a %U:%G", "/etc/kferry/kferry.toml").split() == ["640", "root:kferry"]
    assert host.well("systemctl", "is-enabled", "kferry").strip() == "enabled"
    configure(host, cluster)
    cluster.pass_a_record(PORT, "through a deb")
    assert time.monotonic() - began <= FIRST_RECORD_S
    serves_confined(host)
    host.well("kferry", "health", "--serving")
    follows_a_reload(host, cluster)
    is_upgraded_by_its_package(host, cluster, "dpkg", "--install", package)
    keeps_serving_through_a_refused_upgrade(host, cluster, "dpkg", "--install", package)
    assert "127.0.0.1" in (host.root / "etc/kferry/kferry.toml").read_text()  # the administrator's, still
    serves_by_its_socket_unit(host, cluster)

    host.well("dpkg", "--remove", "kferry")
    assert host.unit("ActiveState")["ActiveState"] == "inactive"
    assert (host.root / "etc/kferry/kferry.toml").exists()
    host.well("dpkg", "--purge", "kferry")
    (host.root / package[1:]).unlink()
    assert host.files_named_kferry() == []
    assert host.run("getent", "passwd", "kferry").returncode != 0
    assert host.run("getent", "group", "kferry").returncode != 0


def test_the_life_of_an_rpm(host, cluster, one):
    """On Debian, which has the tool but none of RPM's dependencies: what differs from the deb is the scripts."""
    package = copied(host, one("*.rpm"))
    began = time.monotonic()
    host.well("rpm", "--install", "--nodeps", package)
    assert host.unit("ActiveState")["ActiveState"] == "inactive"
    host.well("systemctl", "start", "kferry")
    is_not_started_and_says_why(host)
    assert host.well("stat", "-c", "%a %U:%G", "/etc/kferry/kferry.toml").split() == ["640", "root:kferry"]
    configure(host, cluster)
    cluster.pass_a_record(PORT, "through an rpm")
    assert time.monotonic() - began <= FIRST_RECORD_S
    serves_confined(host)
    is_upgraded_by_its_package(host, cluster, "rpm", "--upgrade", "--force", "--nodeps", package)
    keeps_serving_through_a_refused_upgrade(host, cluster, "rpm", "--upgrade", "--force", "--nodeps", package)

    host.well("rpm", "--erase", "kferry")
    assert host.unit("ActiveState")["ActiveState"] == "inactive"
    (host.root / package[1:]).unlink()
    left = [path for path in host.files_named_kferry() if not path.startswith("./etc/kferry")]
    assert left == []
    assert [path.name for path in (host.root / "etc/kferry").glob("*")] == ["kferry.toml.rpmsave"]
