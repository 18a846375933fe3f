"""TLS of a running kferry whose parts are not all well: a listener without a usable certificate, an upstream without a
usable trust store, a broker that has stopped to take tickets. Each failure stays where it belongs.

Needs the built binary's path in KFERRY, as test_cli.py does.
"""
import contextlib
import datetime
import os
import re
import signal
import socket
import ssl
import struct
import subprocess
import threading
import time

import pytest

from frames import receive

KFERRY = os.environ["KFERRY"]
API_VERSIONS, METADATA = 18, 3
DAY = datetime.timedelta(days=1)


def openssl(folder, *words):
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True, timeout=60)


class Authority:
    """Issues certificates of any validity into `folder`."""

    def __init__(self, folder):
        self.folder = folder
        openssl(folder, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "9",
                "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=Root", "-addext", "keyUsage=keyCertSign,cRLSign")
        (folder / "index.txt").touch()
        (folder / "ca.cnf").write_text(
            "[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\nnew_certs_dir=.\nrand_serial=yes\npolicy=p\n"
            "default_md=sha256\nunique_subject=no\n[p]\ncommonName=supplied\n")

    def issue(self, name, names, begins=-DAY, ends=5 * DAY):
        """NAME.pem: certificate and key."""
        now = datetime.datetime.now(datetime.timezone.utc)
        stamps = [(now + when).strftime("%Y%m%d%H%M%SZ") for when in (begins, ends)]
        openssl(self.folder, "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        (self.folder / f"{name}.ext").write_text(f"subjectAltName={names}\n")
        openssl(self.folder, "ca", "-batch", "-config", "ca.cnf", "-cert", "ca.crt", "-keyfile", "ca.key", "-notext",
                "-in", f"{name}.csr", "-out", f"{name}.crt", "-extfile", f"{name}.ext", "-startdate", stamps[0],
                "-enddate", stamps[1])
        made = self.folder / f"{name}.pem"
        made.write_text((self.folder / f"{name}.crt").read_text() + (self.folder / f"{name}.key").read_text())
        return made


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    made = Authority(tmp_path_factory.mktemp("authority"))
    made.issue("good", "DNS:localhost,DNS:*.good.example")
    made.issue("past", "DNS:localhost,DNS:*.past.example", begins=-9 * DAY, ends=-DAY)
    return made


@pytest.fixture
def client(authority):
    return ssl.create_default_context(cafile=authority.folder / "ca.crt")


class Broker:
    """Answers ApiVersions 0 and Metadata 2, as broker 0; in TLS where it has a `context`, which may be changed."""

    def __init__(self, context=None):
        self.context = context
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listening.accept()
                threading.Thread(target=self.serve, args=(connection, self.context), daemon=True).start()

    def serve(self, connection, context):
        connection.settimeout(20)
        with contextlib.suppress(OSError, EOFError, struct.error):
            if context:
                connection = context.wrap_socket(connection, server_side=True)
            while True:
                frame = receive(connection)
                key, version, correlation = struct.unpack_from(">hhi", frame)
                error = 0 if version == 0 else 35
                ranges = struct.pack(">hhhhhh", API_VERSIONS, 0, 0, METADATA, 2, 2)
                body = struct.pack(">hi", error, 2) + ranges
                if key == METADATA:
                    body = struct.pack(">iih", 1, 0, 9) + b"localhost" + struct.pack(">ihhii", self.port, -1, -1, 0, 0)
                connection.sendall(struct.pack(">ii", 4 + len(body), correlation) + body)
        connection.close()

    def close(self):
        self.listening.close()


@pytest.fixture
def broker():
    made = Broker()
    yield made
    made.close()


def free_ports(count):
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


class Kferry:
    def __init__(self, folder, text):
        self.log = folder / "kferry.log"
        (folder / "kferry.toml").write_text(text)
        with self.log.open("wb") as log:
            self.process = subprocess.Popen([KFERRY, "run", "--config", folder / "kferry.toml"], stderr=log,
                                            stdin=subprocess.DEVNULL, env={"PATH": os.environ["PATH"]})
        self.wait("cause=ready ")

    def wait(self, pattern, count=1, seconds=20):
        """The last of `count` lines of the log that contain `pattern`."""
        ends = time.monotonic() + seconds
        while True:
            lines = [line for line in self.log.read_text(errors="replace").splitlines() if re.search(pattern, line)]
            if len(lines) >= count:
                return lines[-1]
            assert self.process.poll() is None and time.monotonic() < ends, self.log.read_text(errors="replace")
            time.sleep(0.02)

    def stop(self):
        self.process.send_signal(signal.SIGINT)  # drains without a lame duck
        self.process.wait(20)


@pytest.fixture
def start(tmp_path):
    started = []

    def run(text):
        started.append(Kferry(tmp_path, text))
        return started[-1]

    yield run
    for one in started:
        one.stop()


def listener(name, port, certificate, **more):
    settings = {"ports": str(port), "advertised_host": "localhost", "bind_address": "127.0.0.1",
                "security_protocol": "SSL", **more}
    lines = [f'{key} = "{value}"' for key, value in settings.items() if value is not None]
    return "\n".join([f"[cluster.c.listener.{name}]", *lines, f'tls = {{ certificate = "{certificate}" }}', ""])


def upstream(port, protocol="PLAINTEXT", trust=None):
    return (f'[cluster.c.upstream]\nbootstrap_servers = ["localhost:{port}"]\nsecurity_protocol = "{protocol}"\n'
            + (f'ssl_truststore_location = "{trust}"\n' if trust else ""))


def ask(port, context=None, name="localhost"):
    """ApiVersions through this port: "answered", or the alert's name, or what else went wrong."""
    try:
        with socket.create_connection(("127.0.0.1", port), 10) as plain:
            connection = context.wrap_socket(plain, server_hostname=name) if context else plain
            connection.sendall(struct.pack(">ihhih", 10, API_VERSIONS, 0, 7, -1))
            answer = receive(connection)
            return "answered" if answer[:4] == struct.pack(">i", 7) else "answered wrongly"
    except ssl.SSLError as error:
        return str(error.reason)
    except (OSError, EOFError) as error:
        return repr(error)


def test_a_listener_without_a_usable_certificate_leaves_the_others_to_serve(authority, client, broker, start, tmp_path):
    live = tmp_path / "live.pem"
    live.write_text((authority.folder / "past.pem").read_text())
    one, two = free_ports(2)
    kferry = start(upstream(broker.port) + listener("one", one, authority.folder / "good.pem")
                   + listener("two", two, live))
    assert f"{live}: the certificate of CN=past expired" in kferry.wait("cause=tls_part_unusable ")
    assert ask(one, client) == "answered"
    assert ask(two, client) == "TLSV1_ALERT_INTERNAL_ERROR"
    assert "listener two has no certificate that it can serve" in kferry.wait("cause=no_usable_certificate ")
    # Another comes in its place.
    fresh = tmp_path / "fresh.pem"
    fresh.write_text((authority.folder / "good.pem").read_text())
    fresh.rename(live)
    kferry.wait("cause=tls_renewed .*CN=good")
    assert ask(two, client) == "answered"


def test_on_a_shared_socket_only_the_names_of_the_bad_certificate_fail(authority, client, broker, start):
    (port,) = free_ports(1)
    sni = {"routing": "sni", "advertised_host": None}
    start(upstream(broker.port)
          + listener("good", port, authority.folder / "good.pem", advertised_host_pattern="b{{nodeId}}.good.example",
                     bootstrap_host_pattern="start.good.example", **sni)
          + listener("past", port, authority.folder / "past.pem", advertised_host_pattern="b{{nodeId}}.past.example",
                     bootstrap_host_pattern="start.past.example", **sni))
    assert ask(port, client, "start.good.example") == "answered"
    assert ask(port, client, "start.past.example") == "TLSV1_ALERT_INTERNAL_ERROR"
    assert ask(port, client, "b0.good.example") == "answered"
    assert ask(port, client, "elsewhere.example") == "TLSV1_UNRECOGNIZED_NAME"


def test_run_ends_where_no_listener_can_serve_and_check_for_any_error(authority, broker, tmp_path):
    one, two = free_ports(2)
    good, bad = authority.folder / "good.pem", authority.folder / "past.pem"
    only_bad, mixed = tmp_path / "bad.toml", tmp_path / "mixed.toml"
    only_bad.write_text(upstream(broker.port) + listener("one", one, bad))
    mixed.write_text(upstream(broker.port) + listener("one", one, good) + listener("two", two, bad))
    for verb, config in (("run", only_bad), ("check", only_bad), ("check", mixed)):
        shown = subprocess.run([KFERRY, verb, "--config", config], capture_output=True, text=True, timeout=60,
                               check=False, env={"PATH": os.environ["PATH"]})
        assert shown.returncode == 2, (verb, shown)
        assert "the certificate of CN=past expired" in shown.stderr and "1 error in the configuration" in shown.stderr


def test_an_upstream_without_a_usable_trust_store_refuses_its_own_clients_alone(broker, start, tmp_path):
    one, two = free_ports(2)
    (tmp_path / "empty.pem").write_text("nothing\n")
    plain = 'advertised_host = "localhost"\nbind_address = "127.0.0.1"\nsecurity_protocol = "PLAINTEXT"\n'
    kferry = start(upstream(broker.port) + f'[cluster.c.listener.one]\nports = "{one}"\n{plain}'
                   + upstream(broker.port, "SSL", tmp_path / "empty.pem").replace("cluster.c", "cluster.d")
                   + f'[cluster.d.listener.two]\nports = "{two}"\n{plain}')
    assert "empty.pem" in kferry.wait("cause=tls_part_unusable ")
    assert ask(one) == "answered"
    assert ask(two) != "answered"
    assert "empty.pem" in kferry.wait("cause=upstream_tls_unusable ")


def test_a_broker_that_no_longer_takes_tickets_gets_a_full_handshake(authority, start):
    contexts = []
    for highest in (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(authority.folder / "good.pem")
        context.maximum_version = highest
        contexts.append(context)
    other_keys = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    other_keys.load_cert_chain(authority.folder / "good.pem")
    broker = Broker(contexts[0])
    try:
        (port,) = free_ports(1)
        kferry = start(upstream(broker.port, "SSL", authority.folder / "ca.crt")
                       + f'[cluster.c.listener.one]\nports = "{port}"\nadvertised_host = "localhost"\n'
                         'bind_address = "127.0.0.1"\nsecurity_protocol = "PLAINTEXT"\n')
        for context in (*contexts, contexts[0], other_keys, contexts[1], other_keys):
            broker.context = context
            assert ask(port) == "answered"
        assert "cause=broker_unreachable" not in kferry.log.read_text(errors="replace")
        assert " tried " not in kferry.log.read_text(errors="replace")
    finally:
        broker.close()
