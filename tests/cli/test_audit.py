"""The audit trail of a running kferry: what its records say, what is never in them, and what sinks that fail may not do.

Needs the built binary's path in KFERRY, as test_cli.py does. Root alone can mount a full disk; without root that test is skipped.
"""
import base64
import hashlib
import json
import os
import pathlib
import signal
import socket
import ssl
import struct
import subprocess
import threading
import time
import urllib.parse
import urllib.request

import jsonschema
import pytest

from running import Broker, Kferry, exchange_times, free_port, listener_variables, receive, request, text
from test_tls import certificate

SCHEMA = json.loads((pathlib.Path(__file__).resolve().parents[2] / "docs/audit.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
PASSWORD = "pässword-never-shown=7"


def variables(broker, audit, **more):
    return {**listener_variables(free_port(), f"127.0.0.1:{broker.port}", "SASL_PLAINTEXT"), "GATEWAY_AUDIT": str(audit),
            "GATEWAY_HTTP_PORT": str(free_port(1)), **more}


def records(path):
    found = [json.loads(line) for line in pathlib.Path(path).read_text().splitlines()]
    for one in found:
        VALIDATOR.validate(one)
    return found


def metrics(env):
    page = urllib.request.urlopen(f"http://127.0.0.1:{env['GATEWAY_HTTP_PORT']}/metrics", timeout=10).read().decode()
    return page, {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in page.splitlines() if line[0] != "#"}


def wait_until(holds, seconds=20):
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.02)


class SaslBroker(Broker):
    """Accepts PASSWORD and refuses everything else: with error 58, or after SaslHandshake 0 by closing."""

    def serve(self, connection):
        raw = False
        with connection:
            try:
                while True:
                    frame = receive(connection)
                    if raw:
                        raw = False
                        if PASSWORD.encode() not in frame:
                            return
                        connection.sendall(b"\0\0\0\0")
                        continue
                    key, version, correlation, size = struct.unpack_from(">hhih", frame)
                    raw = key == 17 and version == 0
                    if key == 17:
                        known = b"PLAIN" in frame or b"OAUTHBEARER" in frame
                        body = struct.pack(">hi", 0 if known else 33, 1) + text("PLAIN")
                        raw = raw and known
                    elif key == 36:
                        good = PASSWORD.encode() in frame or b"n,,\x01auth" in frame
                        body = struct.pack(">h", 0 if good else 58) + text("" if good else "refused") + struct.pack(">i", 0)
                        body += struct.pack(">q", 0) if version >= 1 else b""
                    else:
                        body = self.answer(key, version)
                    answer = struct.pack(">i", correlation) + body
                    connection.sendall(struct.pack(">i", len(answer)) + answer)
            except (OSError, EOFError, KeyError, AssertionError):
                return


def handshake(connection, mechanism="PLAIN", version=1):
    connection.sendall(request(17, version, text(mechanism), client=b"app-1"))
    return struct.unpack_from(">h", receive(connection), 4)[0]


def authenticate(connection, token, version=1):
    connection.sendall(request(36, version, struct.pack(">i", len(token)) + token))
    return struct.unpack_from(">h", receive(connection), 4)[0]


def plain(password=PASSWORD):
    return b"\0alice\0" + password.encode()


def connect(kferry):
    return socket.create_connection(("127.0.0.1", kferry.port), 10)


def outcomes(found):
    return [(one["event"], one["authentication"].get("principal"), one["authentication"]["outcome"]) for one in found
            if one["event"] != "end"]


def test_records_say_who_came_and_what_became_of_it(tmp_path):
    trail = tmp_path / "audit.jsonl"
    with SaslBroker() as broker:
        env = variables(broker, trail)
        with Kferry(tmp_path, env) as kferry:
            with connect(kferry) as client:
                assert handshake(client) == 0 and authenticate(client, plain()) == 0
                client.sendall(request(3, 1, struct.pack(">i", 0)))
                receive(client)
                assert handshake(client) == 0 and authenticate(client, plain()) == 0  # KIP-368
                assert handshake(client) == 0 and authenticate(client, plain("wrong")) == 58
                address = client.getsockname()
            wait_until(lambda: '"ended_by":"client"' in trail.read_text() and "Metadata" in trail.read_text())
            page, counts = metrics(env)
            kferry.end()
        found = [one for one in records(trail) if one["client"].get("id") == "app-1"]
        assert outcomes(found) == [("authentication", "alice", "accepted"), ("reauthentication", "alice", "accepted"),
                                   ("reauthentication", "alice", "refused")]
        assert found[2]["authentication"]["reason"] == "SASL_AUTHENTICATION_FAILED"
        end = found[3]
        assert len(found) == 4 and len({one["session"] for one in found}) == 1
        assert (end["client"]["address"], end["client"]["port"]) == address
        assert end["broker"]["address"] == f"127.0.0.1:{broker.port}" and end["cause"] == "client_closed"
        assert end["traffic"]["requests"] == {"SaslHandshake": 3, "SaslAuthenticate": 3, "Metadata": 1}
        assert end["traffic"]["frames_to_broker"] == end["traffic"]["frames_to_client"] == 7
        assert os.stat(trail).st_mode & 0o137 == 0
        name = 'kferry_authentications_total{cluster="default",listener="external",mechanism="PLAIN",outcome="%s"}'
        assert counts[name % "accepted"] == 2 and counts[name % "refused"] == 1
        # Every connection has exactly one end; Kferry's own look at the port is one, too.
        assert sum(one["event"] == "end" for one in records(trail)) == 2
        assert "alice" not in page


def test_raw_tokens_unknown_mechanisms_and_clients_without_credentials(tmp_path):
    trail = tmp_path / "audit.jsonl"
    with SaslBroker() as broker:
        with Kferry(tmp_path, variables(broker, trail)) as kferry:
            for password in (PASSWORD, "wrong"):
                with connect(kferry) as client:
                    assert handshake(client, version=0) == 0
                    token = plain(password)
                    client.sendall(struct.pack(">i", len(token)) + token)
                    assert client.recv(4) == (b"\0\0\0\0" if password == PASSWORD else b"")
            with connect(kferry) as client:
                assert handshake(client, "X-NEW") == 33
            with connect(kferry) as client:
                client.sendall(request(3, 1, struct.pack(">i", 0), client=b"nameless"))
                receive(client)
            with connect(kferry) as client:
                assert handshake(client) == 0
            kferry.end()
    found = records(trail)
    assert outcomes(found) == [("authentication", "alice", "accepted"), ("authentication", "alice", "refused"),
                               ("authentication", None, "refused"), ("authentication", None, "accepted")]
    assert [one["authentication"]["mechanism"] for one in found if one["event"] != "end"] == ["PLAIN", "PLAIN", "X-NEW", "NONE"]
    ends = [one.get("authentication", {}).get("outcome") for one in found if one["event"] == "end"]
    assert sorted(map(str, ends)) == ["None", "accepted", "accepted", "refused", "refused", "unfinished"]


def test_a_clients_certificate_is_who_it_is(tmp_path):
    for name, names in (("server", "IP:127.0.0.1"), ("client", "DNS:app-1"), ("stranger", "DNS:app-2")):
        certificate(tmp_path, name, names=names)
    trail = tmp_path / "audit.jsonl"

    def come(name):
        context = ssl.create_default_context(cafile=tmp_path / "server.crt")
        if name:
            context.load_cert_chain(tmp_path / f"{name}.crt", tmp_path / f"{name}.key")
        with context.wrap_socket(connect(kferry), server_hostname="127.0.0.1") as client:
            client.sendall(request(3, 1, struct.pack(">i", 0)))
            return receive(client)

    with Broker() as broker:
        port = free_port()
        env = {**variables(broker, trail), **listener_variables(port, f"127.0.0.1:{broker.port}"),
               "GATEWAY_LISTENER_EXTERNAL_SECURITY_PROTOCOL": "SSL", "GATEWAY_SSL_CLIENT_AUTH": "REQUIRE",
               "GATEWAY_SSL_KEY_STORE_PATH": str(tmp_path / "server.both"),
               "GATEWAY_SSL_TRUST_STORE_PATH": str(tmp_path / "client.crt")}
        (tmp_path / "server.both").write_text((tmp_path / "server.key").read_text() + (tmp_path / "server.crt").read_text())
        with Kferry(tmp_path, env) as kferry:
            assert come("client")
            for name in ("stranger", None):
                with pytest.raises((OSError, EOFError)):
                    come(name)
            kferry.end()
    found = records(trail)
    told = [(one["authentication"].get("principal"), one["authentication"]["outcome"], one["authentication"].get("reason"))
            for one in found if one["event"] == "authentication"]
    assert told == [("CN=client,O=Example", "accepted", None), ("CN=stranger,O=Example", "refused", "certificate_untrusted"),
                    (None, "refused", "client_certificate_missing")]
    der = ssl.PEM_cert_to_DER_cert((tmp_path / "client.crt").read_text())
    shown = next(one for one in found if one["event"] == "authentication")["tls"]
    assert shown["version"] == "1.3" and shown["cipher"].startswith("TLS_") and not shown["resumed"]
    assert shown["certificate"]["sha256"] == hashlib.sha256(der).hexdigest()
    assert shown["certificate"]["issuer"] == shown["certificate"]["subject"] == "CN=client,O=Example"
    causes = [one["cause"] for one in found if one["event"] == "end"]
    assert causes.count("refused_tls") >= 2


def forms(secret):
    raw = secret.encode()
    yield from (raw, raw.hex().encode(), urllib.parse.quote(secret).encode(), json.dumps(secret)[1:-1].encode())
    for shift in range(3):  # base64, wherever it begins
        yield base64.b64encode(b"x" * shift + raw)[4 if shift else 0:-4]


@pytest.mark.parametrize("audit_format", ["json", "ocsf"])
def test_no_secret_is_in_audit_log_metrics_or_health(tmp_path, audit_format):
    trail, configuration = tmp_path / "audit.jsonl", tmp_path / "kferry.toml"
    bearer = f"n,,\x01auth=Bearer e30.{base64.urlsafe_b64encode(json.dumps({'sub': 'bob', 'jti': PASSWORD}).encode()).decode()}"
    with SaslBroker() as broker:
        env = variables(broker, trail)
        port = free_port()
        configuration.write_text(
            f'[operations]\naudit = "{trail}"\naudit_format = "{audit_format}"\n'
            + f'[cluster.default.upstream]\nbootstrap_servers = ["127.0.0.1:{broker.port}"]\n'
            + 'security_protocol = "SASL_PLAINTEXT"\n'
            + f'[cluster.default.listener.external]\nports = "{port}-{port + 2}"\nadvertised_host = "127.0.0.1"\n'
            + 'security_protocol = "SASL_PLAINTEXT"\n')
        run = {"GATEWAY_LISTENER_EXTERNAL_PORTS": f"{port}-{port + 2}"}
        words = ("run", "--config", str(configuration))
        with Kferry(tmp_path, {"GATEWAY_HTTP_PORT": env["GATEWAY_HTTP_PORT"], "GATEWAY_LOG_LEVEL": "debug", **run},
                    words=words) as kferry:
            for split in (False, True):
                with connect(kferry) as client:
                    assert handshake(client) == 0
                    frame = request(36, 1, struct.pack(">i", len(plain())) + plain())
                    for part in ([frame[i:i + 7] for i in range(0, len(frame), 7)] if split else [frame]):
                        client.sendall(part)
                    assert struct.unpack_from(">h", receive(client), 4)[0] == 0
            with connect(kferry) as client:
                assert handshake(client, "OAUTHBEARER") == 0
                assert authenticate(client, (bearer + ".c2ln\x01\x01").encode()) == 0
                client.sendall(request(3, 1, struct.pack(">i", 0)))
                receive(client)
            with connect(kferry) as client:  # a password where none belongs
                client.sendall(request(36, 1, struct.pack(">i", len(plain())) + plain(), client=b"early"))
                receive(client)
            page, _ = metrics(env)
            health = urllib.request.urlopen(f"http://127.0.0.1:{env['GATEWAY_HTTP_PORT']}/health/ready").read()
            kferry.end()
        written = trail.read_bytes()
        assert b"alice" in written and b"bob" in written
        for place in (written, kferry.log.read_bytes(), page.encode(), health):
            for form in forms(PASSWORD):
                assert form not in place


def p99(port, count):
    return exchange_times(port, count)[-max(1, count // 100)]


def churn(port, count):
    for _ in range(count):
        with socket.create_connection(("127.0.0.1", port), 10) as one:
            one.sendall(request(18, 0))
            receive(one)


def suffer(tmp_path, audit, written, count=300):
    """Connections under a sink that fails: none is delayed, and what was not written was dropped."""
    with Broker() as broker:
        env = {**variables(broker, audit), **listener_variables(free_port(), f"127.0.0.1:{broker.port}")}
        with Kferry(tmp_path, env) as kferry:
            thread = threading.Thread(target=churn, args=(kferry.port, count))
            thread.start()
            slowest = p99(kferry.port, 200)
            thread.join(60)
            assert not thread.is_alive() and slowest < 1  # a wait for the reader would not end

            def settled():
                _, counts = metrics(env)
                made, dropped = (counts[f'kferry_audit_{what}_total{{sink="file"}}'] for what in ("records", "dropped"))
                return made >= count and made == dropped + written()

            wait_until(settled)
            lost = metrics(env)[1]['kferry_audit_dropped_total{sink="file"}']
            wait_until(lambda: not lost or kferry.lines("audit_records_lost"))
            began = time.monotonic()
            assert kferry.end() == 0
            assert time.monotonic() - began < 8
            return lost


def test_a_full_device_drops_every_record_and_delays_nothing(tmp_path):
    assert suffer(tmp_path, "/dev/full", lambda: 0) >= 300


def test_a_fifo_without_a_reader_drops_every_record_and_delays_nothing(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    assert suffer(tmp_path, tmp_path / "fifo", lambda: 0) >= 300


def test_a_slow_reader_of_a_fifo_gets_whole_records(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    reading = os.open(tmp_path / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    got = bytearray()
    over = threading.Event()

    def read_slowly():  # 1 KB/s at first, then what is left
        began = time.monotonic()
        while not over.wait(0.1 if time.monotonic() - began < 3 else 0.001):
            try:
                got.extend(os.read(reading, 100 if time.monotonic() - began < 3 else 65536))
            except BlockingIOError:
                pass

    thread = threading.Thread(target=read_slowly)
    thread.start()
    try:
        suffer(tmp_path, tmp_path / "fifo", lambda: bytes(got).count(b"\n"))
    finally:
        over.set()
        thread.join()
        os.close(reading)
    for line in bytes(got).splitlines():
        VALIDATOR.validate(json.loads(line))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts a tmpfs")
def test_a_full_disk_keeps_whole_records(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", disk], check=False).returncode:
        pytest.skip("mounts are not allowed here")
    try:
        trail = disk / "audit.jsonl"
        assert suffer(tmp_path, trail, lambda: trail.read_bytes().count(b"\n")) > 0
        assert trail.read_bytes().endswith(b"\n")
        assert records(trail)
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def test_after_a_rotation_the_trail_continues_in_the_new_file(tmp_path):
    trail = tmp_path / "audit.jsonl"
    with Broker() as broker:
        env = {**variables(broker, trail), **listener_variables(free_port(), f"127.0.0.1:{broker.port}")}
        with Kferry(tmp_path, env) as kferry:
            churn(kferry.port, 3)
            wait_until(lambda: trail.exists() and trail.read_text().count('"end"') >= 4)
            trail.rename(tmp_path / "audit.1")
            kferry.process.send_signal(signal.SIGHUP)
            wait_until(trail.exists)
            churn(kferry.port, 2)
            kferry.end()
    assert sum(one["event"] == "end" for one in records(trail)) == 2


def test_a_trail_that_cannot_be_opened_prevents_the_start(tmp_path):
    with Broker() as broker:
        kferry = Kferry(tmp_path, variables(broker, tmp_path / "none" / "audit"))
        assert kferry.process.wait(20) == 1
        assert "cannot open the audit trail" in kferry.lines("start_failed")[0]
        kferry = Kferry(tmp_path, variables(broker, "somewhere"))
        assert kferry.process.wait(20) == 2
        assert "not an absolute path" in kferry.text()
