"""Health by HTTP of a running kferry: its paths, addresses and limits, and what happens where an address is taken."""
import json
import os
import socket
import subprocess

import pytest

from running import KFERRY, Kferry, free_port, listener_variables

UNREACHABLE = "127.0.0.1:1"


def variables(bootstrap=UNREACHABLE, **more):
    """A configuration whose listener and HTTP ports are free."""
    port = free_port(4)
    return {**listener_variables(port, bootstrap), "GATEWAY_HTTP_PORT": str(port + 3), **more}


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
