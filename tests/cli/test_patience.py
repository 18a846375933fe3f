"""Parties that never answer, at each stage, and parties that send without end: what they cost, and for how long."""
import os
import socket
import struct
import subprocess
import threading
import time

import pytest
from running import KFERRY, Broker, Kferry, Server, free_port, listener_variables, receive, request

CREDENTIALS = {"KAFKA_SASL_MECHANISM": "PLAIN", "KAFKA_SASL_JAAS_CONFIG": 'a.PlainLoginModule required username="u" password="p";'}
HALF_A_SERVER_HELLO = b"\x16\x03\x03\x40\x00\x02\x00\xff\xff"


class Silent(Server):
    """Accepts, says what it is told to, and then drips: a byte each 0.2 s, or nothing at all."""

    def __init__(self, words=b"", drips=False):
        self.words, self.drips = words, drips
        super().__init__(socket.create_server(("127.0.0.1", 0), backlog=128))

    def serve(self, connection):
        try:
            connection.recv(1)
            connection.sendall(self.words)
            while self.drips:
                connection.sendall(b"\0")
                time.sleep(0.2)
            while connection.recv(65536):
                pass
        except OSError:
            pass


class SilentAfterHandshake(Broker):
    """Answers SaslHandshake, and never SaslAuthenticate."""

    def answer(self, key, version):
        if key == 36:
            time.sleep(60)
        return super().answer(key, version)


def sockets(process):
    """How many it has. Pipes for splicing are kept, and are not counted."""
    folder = f"/proc/{process.pid}/fd"
    count = 0
    for fd in os.listdir(folder):
        try:
            count += os.readlink(f"{folder}/{fd}").startswith("socket:")
        except FileNotFoundError:
            pass
    return count


STAGES = {
    "ApiVersions": (Silent, "PLAINTEXT"),
    "the size of an answer": (lambda: Silent(b"\0\0"), "PLAINTEXT"),
    "the end of an answer": (lambda: Silent(struct.pack(">i", 1_000_000), drips=True), "PLAINTEXT"),
    "the TLS handshake": (Silent, "SSL"),
    "the end of the TLS handshake": (lambda: Silent(HALF_A_SERVER_HELLO, drips=True), "SSL"),
    "SaslAuthenticate": (SilentAfterHandshake, "SASL_PLAINTEXT"),
}


@pytest.mark.parametrize("stage", STAGES)
def test_a_broker_that_falls_silent_keeps_neither_check_nor_clients_that_have_left(tmp_path, stage):
    make, protocol = STAGES[stage]
    with make() as broker:
        env = listener_variables(free_port(), f"127.0.0.1:{broker.port}", protocol)
        env |= {"GATEWAY_LISTENER_EXTERNAL_SECURITY_PROTOCOL": protocol.replace("SSL", "PLAINTEXT"),
                "GATEWAY_HTTP_PORT": str(free_port(1))} | (CREDENTIALS if "SASL" in protocol else {})
        checked = subprocess.Popen([KFERRY, "check", "--dial"], env={"PATH": os.environ["PATH"], **env}, text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        with Kferry(tmp_path, env) as kferry:
            before = sockets(kferry.process)
            clients = [socket.create_connection(("127.0.0.1", kferry.port), 5) for _ in range(20)]
            for one in clients:
                one.sendall(request(18, 0))
            time.sleep(0.5)
            for one in clients:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                one.close()
            deadline = time.monotonic() + 10  # dial_after_end is 5 s
            while sockets(kferry.process) > before + 4:
                assert time.monotonic() < deadline, (before, sockets(kferry.process), kferry.text())
                time.sleep(0.1)
            said, _ = checked.communicate(timeout=30)
            assert checked.returncode == 1 and said.strip()
            stopping = time.monotonic()
            assert kferry.end() == 0 and time.monotonic() - stopping < 8


def test_probe_visits_many_silent_brokers_at_the_same_time():
    mute = [socket.create_server((f"127.0.2.{i}", 0)) for i in range(1, 13)]
    with Broker([(i, *one.getsockname()) for i, one in enumerate(mute)]) as broker:
        began = time.monotonic()
        shown = subprocess.run([KFERRY, "probe", f"127.0.0.1:{broker.port}", "--timeout", "2000"], timeout=60, check=False,
                               env={"PATH": os.environ["PATH"]}, capture_output=True, text=True)
        assert shown.returncode == 1 and shown.stdout.count("no answer in time") == len(mute), shown.stdout
        assert time.monotonic() - began < 12, "one after the other they take 24 s"
        order = [line.split()[1] for line in shown.stdout.splitlines() if line.startswith("broker ")]
        assert order == [str(i) for i in range(len(mute))]


def test_check_ends_with_a_list_of_very_many_brokers():
    """Each of them falls on the port of another one, and the advice on ports is a search."""
    with Broker([(i * 7 % 30_000, f"h{i}", 9092) for i in range(17_000)]) as broker:
        began = time.monotonic()
        shown = subprocess.run([KFERRY, "check", "--dial", "--time-limit", "5"], timeout=60, check=False, capture_output=True,
                               text=True, env={"PATH": os.environ["PATH"],
                                               **listener_variables(free_port(), f"127.0.0.1:{broker.port}")})
        assert shown.returncode == 1 and "falls on the port of broker" not in shown.stderr
        assert len(shown.stdout.splitlines()) < 20_000 and " more errors" in shown.stdout
        assert time.monotonic() - began < 30


def record(kind, content):
    return struct.pack(">BHH", kind, 0x0301, len(content)) + content


# What a stranger sends first, and then again and again. The second port is the TLS listener's.
ENDLESS = {
    "a client id of a huge frame": (0, struct.pack(">ihhih", 90 << 20, 3, 4, 1, 32767), b"a" * 65536),
    "tagged fields of a header": (0, struct.pack(">ihhih", 90 << 20, 3, 12, 1, 1) + b"a\xff\xff\xff\x7f", b"\1\0" * 32768),
    "topics of a huge request": (0, struct.pack(">ihhih", 99 << 20, 3, 4, 1, 1) + b"a" + struct.pack(">i", 1 << 24), b"\0" * 65536),
    "requests without reading": (0, request(18, 0), request(3, 1, b"\xff\xff\xff\xff") * 1000),
    "a ClientHello of 16 MB": (3, record(22, b"\1\xff\xff\xff\3\3" + b"a" * 16000), record(22, b"a" * 16000)),
    "a ClientHello in records of a byte": (3, record(22, b"\1\0\xff\xff"), record(22, b"\3") * 2000),
    "empty records": (3, record(22, b""), record(22, b"") * 2000),
    "change_cipher_spec": (3, record(20, b"\1"), record(20, b"\1") * 2000),
    "warnings": (3, record(21, b"\1\0"), record(21, b"\1\0") * 2000),
}


@pytest.fixture(scope="module")
def attacked(tmp_path_factory):
    """A kferry with a listener for plaintext and, three ports on, one for TLS."""
    folder = tmp_path_factory.mktemp("endless")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                    "-keyout", "key.pem", "-out", "cert.pem", "-subj", "/CN=kferry"], cwd=folder, check=True, capture_output=True)
    (folder / "store.pem").write_text((folder / "cert.pem").read_text() + (folder / "key.pem").read_text())
    port = free_port(6)
    with Broker() as broker:
        listener = lambda name, first, more: (
            f'[cluster.c.listener.{name}]\nports = "{first}-{first + 2}"\nadvertised_host = "127.0.0.1"\n{more}\n')
        (folder / "kferry.toml").write_text(
            f'[operations]\nbind = "127.0.0.1:{free_port(1)}"\n'
            f'[cluster.c.upstream]\nbootstrap_servers = ["127.0.0.1:{broker.port}"]\n'
            + listener("plain", port, 'security_protocol = "PLAINTEXT"')
            + listener("secure", port + 3, f'security_protocol = "SSL"\ntls = {{ certificate = "{folder / "store.pem"}" }}'))
        with Kferry(folder, {"GATEWAY_LISTENER_EXTERNAL_PORTS": str(port)},
                    words=("run", "--config", str(folder / "kferry.toml"))) as kferry:
            yield kferry


@pytest.mark.parametrize("what", ENDLESS)
def test_what_is_sent_without_end_is_not_kept(attacked, what):
    if "asan" in KFERRY or "tsan" in KFERRY:
        pytest.skip("a sanitizer keeps memory that kferry has freed")
    behind, first, more = ENDLESS[what]
    def memory_kb():
        with open(f"/proc/{attacked.process.pid}/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))

    before, memory = sockets(attacked.process), memory_kb()
    clients = [socket.create_connection(("127.0.0.1", attacked.port + behind), 5) for _ in range(10)]

    def flood(client):
        end = time.monotonic() + 1
        client.settimeout(0.5)
        try:
            client.sendall(first)
            while time.monotonic() < end:
                client.send(more)
        except OSError:
            pass  # closed, reset, or not read any more

    floods = [threading.Thread(target=flood, args=(one,)) for one in clients]
    for one in floods:
        one.start()
    for one in floods:
        one.join()
    # The two directions of a connection keep 128 KiB each, and a request's head 64 KiB.
    assert memory_kb() - memory < len(clients) * 512
    for one in clients:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        one.close()
    deadline = time.monotonic() + 10
    while sockets(attacked.process) > before:
        assert time.monotonic() < deadline, (before, sockets(attacked.process))
        time.sleep(0.05)
    with socket.create_connection(("127.0.0.1", attacked.port), 5) as honest:
        honest.sendall(request(18, 0))
        assert receive(honest)
