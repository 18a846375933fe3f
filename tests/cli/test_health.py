"""Health by HTTP of a running kferry: its paths, addresses and limits, and what happens where an address is taken."""
import json
import os
import socket
import subprocess
import threading
import time

import pytest

from running import KFERRY, Broker, Kferry, free_port, listener_variables, request
from test_tls import certificate

UNREACHABLE = "127.0.0.1:1"


def variables(bootstrap=UNREACHABLE, **more):
    """A configuration whose listener and HTTP ports are free."""
    port = free_port(4)
    return {**listener_variables(port, bootstrap), "GATEWAY_HTTP_PORT": str(port + 3), **more}


def second_cluster(folder, name, bootstrap):
    """The file of a cluster with one listener, beside the one of the variables."""
    file = folder / "kferry.toml"
    file.write_text(f"""[cluster.{name}.upstream]
bootstrap_servers = "{bootstrap}"
[cluster.{name}.listener.inner]
ports = "{free_port(1)}"
advertised_host = "127.0.0.1"
security_protocol = "PLAINTEXT"
""")
    return file


def get(port, path, method="GET", host="127.0.0.1"):
    """The status and the body."""
    with socket.create_connection((host, port), 10) as connection:
        connection.sendall(f"{method} {path} HTTP/1.1\r\nHost: kferry\r\n\r\n".encode())
        answer = b""
        while part := connection.recv(65536):
            answer += part
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), body.decode()


def test_the_paths_of_a_kferry_without_upstream(tmp_path):
    env = variables()
    port = int(env["GATEWAY_HTTP_PORT"])
    with Kferry(tmp_path, env) as kferry:
        assert get(port, "/health/live")[0] == 200
        assert get(port, "/health/serving")[0] == 200
        for path in ("/health/ready", "/health"):
            status, body = get(port, path)
            assert status == 503 and json.loads(body)["status"] == "starting"
        assert get(port, "/health/live", "HEAD") == (200, "")
        assert get(port, "/health/live", "POST")[0] == 405
        assert get(port, "/health/nothing")[0] == 404
        assert len(kferry.lines("http_listening")) == 1


def wait_for(port, wanted, path="/health/ready"):
    """Asks until the body's status and the codes of its reasons are these, and returns the HTTP status."""
    deadline = time.monotonic() + 20
    while True:
        status, body = get(port, path)
        body = json.loads(body)
        if (body["status"], [reason["code"] for reason in body["reasons"]]) == wanted:
            return status
        assert time.monotonic() < deadline, f"{path} says {status} {body}, not {wanted}"
        time.sleep(0.05)


def ask(env, *words):
    return subprocess.run([KFERRY, "health", *words], env={"PATH": os.environ["PATH"], **env}, capture_output=True, text=True,
                          timeout=60, check=False)


class Mute(Broker):
    """Answers ApiVersions alone, as a broker does that requires SASL first."""

    def answer(self, key, version):
        if key != 18:
            raise KeyError(key)
        return super().answer(key, version)


SASL = {"KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT", "GATEWAY_LISTENER_EXTERNAL_SECURITY_PROTOCOL": "SASL_PLAINTEXT"}


@pytest.mark.parametrize("more", [{}, SASL], ids=["no SASL", "SASL without credentials"])
def test_a_bootstrap_server_that_answers_makes_kferry_ready(tmp_path, more):
    with Mute() as broker:
        env = variables(f"127.0.0.1:{broker.port}", **more)
        with Kferry(tmp_path, env):
            assert wait_for(int(env["GATEWAY_HTTP_PORT"]), ("ready", [])) == 200


def test_an_upstream_that_is_lost_makes_kferry_degraded_until_it_answers(tmp_path):
    """A client's dial that fails makes kferry ask."""
    with Broker() as broker:
        broker.brokers = [(0, "127.0.0.1", broker.port)]
        env = variables(f"127.0.0.1:{broker.port}")
        port = int(env["GATEWAY_HTTP_PORT"])
        with Kferry(tmp_path, env) as kferry:
            assert wait_for(port, ("ready", [])) == 200
            broker.listening.shutdown(socket.SHUT_RDWR)
            broker.listening.close()
            with socket.create_connection(("127.0.0.1", kferry.port), 10) as client:
                client.sendall(request(18, 0))
                assert client.recv(1) == b""
            assert wait_for(port, ("degraded", ["upstream_unreachable"])) == 200
            assert get(port, "/health/live")[0] == 200 and get(port, "/health/serving")[0] == 200
            assert len(kferry.lines("upstream_lost")) == 1
            broker.listening = socket.create_server(("127.0.0.1", broker.port))
            threading.Thread(target=broker.accept, daemon=True).start()
            assert wait_for(port, ("ready", [])) == 200
            assert len(kferry.lines("upstream_answers")) == 1


def test_one_cluster_of_two_is_lost(tmp_path):
    with Broker() as broker:
        env = variables(f"127.0.0.1:{broker.port}")
        file = second_cluster(tmp_path, "dark", UNREACHABLE)
        with Kferry(tmp_path, env, words=["run", "--config", str(file)]):
            assert wait_for(int(env["GATEWAY_HTTP_PORT"]), ("degraded", ["upstream_unreachable"])) == 200
            reasons = json.loads(get(int(env["GATEWAY_HTTP_PORT"]), "/health")[1])["reasons"]
            assert [reason["cluster"] for reason in reasons] == ["dark"]


def test_brokers_that_clash_make_kferry_degraded(tmp_path):
    with Broker() as broker:
        broker.brokers = [(0, "127.0.0.1", broker.port), (3, "127.0.0.1", broker.port + 1)]
        env = variables(f"127.0.0.1:{broker.port}")
        with Kferry(tmp_path, env):
            assert wait_for(int(env["GATEWAY_HTTP_PORT"]), ("degraded", ["port_clash"])) == 200


def test_certificates_that_end_and_files_that_cannot_be_read_again(tmp_path):
    certificate(tmp_path, "server", days="3", names="IP:127.0.0.1")
    both = tmp_path / "both.pem"
    both.write_text((tmp_path / "server.crt").read_text() + (tmp_path / "server.key").read_text())
    with Mute() as broker:
        env = variables(f"127.0.0.1:{broker.port}", GATEWAY_LISTENER_EXTERNAL_SECURITY_PROTOCOL="SSL",
                        GATEWAY_SSL_KEY_STORE_PATH=str(both))
        port = int(env["GATEWAY_HTTP_PORT"])
        with Kferry(tmp_path, env):
            assert wait_for(port, ("degraded", ["certificate_expiring"])) == 200
            both.write_text("nothing")
            assert wait_for(port, ("degraded", ["certificate_expiring", "certificate_not_reloaded"])) == 200
            certificate(tmp_path, "server", days="90", names="IP:127.0.0.1")
            both.write_text((tmp_path / "server.crt").read_text() + (tmp_path / "server.key").read_text())
            assert wait_for(port, ("ready", [])) == 200


def test_an_upstream_whose_certificates_cannot_be_used(tmp_path):
    with Mute() as broker:
        env = variables(f"127.0.0.1:{broker.port}", KAFKA_SECURITY_PROTOCOL="SSL",
                        KAFKA_SSL_TRUSTSTORE_LOCATION=str(tmp_path / "none.pem"))
        file = second_cluster(tmp_path, "light", f"127.0.0.1:{broker.port}")
        with Kferry(tmp_path, env, words=["run", "--config", str(file)]):
            wait_for(int(env["GATEWAY_HTTP_PORT"]), ("degraded", ["upstream_unreachable", "certificate_unusable"]))


def test_kferry_health_asks_the_paths(tmp_path):
    env = variables()
    assert ask(env).returncode == 1
    assert "Connection refused" in ask(env).stderr
    with Kferry(tmp_path, env):
        for words in (["--live"], ["--serving"]):
            shown = ask(env, *words)
            assert shown.returncode == 0, shown.stderr
            assert json.loads(shown.stdout)["status"] == "starting"
        assert ask(env).returncode == 1 and json.loads(ask(env).stdout)["status"] == "starting"
    assert ask(env, "--live", "--serving").returncode == 1


def test_kferry_health_needs_no_valid_configuration_but_the_address(tmp_path):
    with Mute() as broker:
        env = variables(f"127.0.0.1:{broker.port}")
        with Kferry(tmp_path, env):
            wait_for(int(env["GATEWAY_HTTP_PORT"]), ("ready", []))
            assert ask({"GATEWAY_HTTP_PORT": env["GATEWAY_HTTP_PORT"], "GATEWAY_LISTENER_NAMES": "a_b"}).returncode == 0


def test_further_addresses_serve_their_own_paths_alone(tmp_path):
    env = variables(GATEWAY_HEALTH_BIND="0.0.0.0", GATEWAY_HTTP_BIND="127.0.0.2")
    port = int(env["GATEWAY_HTTP_PORT"])
    with Kferry(tmp_path, env):
        assert get(port, "/health/live", host="127.0.0.1")[0] == 200
        assert get(port, "/health/live", host="127.0.0.2")[0] == 200
        assert get(port, "/", host="127.0.0.1") == (404, "Not Found\n")
        assert "paths:" in get(port, "/", host="127.0.0.2")[1]


def test_a_configured_address_that_is_taken_ends_the_start():
    env = variables()
    with socket.create_server(("127.0.0.1", int(env["GATEWAY_HTTP_PORT"]))):
        shown = subprocess.run([KFERRY, "run"], env={"PATH": os.environ["PATH"], **env}, capture_output=True, text=True,
                               timeout=60, check=False)
    assert shown.returncode == 1
    assert "cause=start_failed" in shown.stderr and "GATEWAY_HTTP_PORT" in shown.stderr
    assert "cause=listening" not in shown.stderr


def test_two_kferrys_with_the_default_address_both_serve_clients(tmp_path):
    """The second one warns, unless something else has the default address already: then both do."""
    first, second = (listener_variables(free_port(3), UNREACHABLE) for _ in range(2))
    with Kferry(tmp_path, first), Kferry(tmp_path, second) as later:
        deadline = time.monotonic() + 20
        while not later.lines("ready") and time.monotonic() < deadline:  # a thread writes the log
            time.sleep(0.01)
        assert len(later.lines("http_unavailable")) == 1
        assert len(later.lines("ready")) == 1


def test_hostile_http_costs_no_client_anything(tmp_path):
    env = variables()
    port = int(env["GATEWAY_HTTP_PORT"])
    with Kferry(tmp_path, env) as kferry:
        idle = [socket.create_connection(("127.0.0.1", port), 10) for _ in range(200)]
        for number, one in enumerate(idle):
            try:
                one.sendall((b"GET /", b"\x16\x03\x01", b"GET / HTTP/1.1\r\n\r\n", b"A" * 100_000)[number % 4])
            except OSError:
                pass  # displaced already
        assert get(port, "/health/live")[0] == 200
        socket.create_connection(("127.0.0.1", kferry.port), 10).close()
        for one in idle:
            one.close()


@pytest.mark.parametrize("words,expected", [
    ({}, "127.0.0.1:{port}  health and metrics"),
    ({"GATEWAY_HEALTH_BIND": "0.0.0.0"}, "0.0.0.0:{port}    health alone"),
    ({"GATEWAY_METRICS_BIND": "[::1]:9100"}, "[::1]:9100       /metrics alone"),
])
def test_check_prints_the_http_plan(words, expected):
    env = variables(**words)
    shown = subprocess.run([KFERRY, "check"], env={"PATH": os.environ["PATH"], **env}, capture_output=True, text=True,
                           timeout=60, check=False)
    assert shown.returncode == 0, shown.stderr
    assert expected.format(port=env["GATEWAY_HTTP_PORT"]) in shown.stdout


def test_a_listener_on_the_port_of_a_further_address_is_an_error():
    env = variables()
    env["GATEWAY_HEALTH_BIND"] = "0.0.0.0:" + env["GATEWAY_LISTENER_EXTERNAL_PORTS"].split("-")[0]
    shown = subprocess.run([KFERRY, "check"], env={"PATH": os.environ["PATH"], **env}, capture_output=True, text=True,
                           timeout=60, check=False)
    assert shown.returncode == 2 and "which is the HTTP port" in shown.stderr
