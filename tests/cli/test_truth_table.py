"""The truth table of health: each state of a real kferry against the three paths, the body, the metric and the alert.

Needs the built binary's path in KFERRY, as test_cli.py does.
"""
import contextlib
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import threading
import time

import pytest

from running import KFERRY, Broker, Kferry, free_port, request
from stuck import stuck_worker
from test_drain import FETCH, Holding, connect, known
from test_health import SASL, UNREACHABLE, Mute, get, second_cluster, variables
from test_metrics import scrape
from test_tls import certificate

ALERTS = pathlib.Path(__file__).resolve().parents[2] / "packaging/prometheus/alerts.yml"
ALERT = re.compile(r'- alert: (\w+)\n\s+expr: kferry_degraded\{reason="(\w+)"\} == 1\n')
PATHS = ("/health/live", "/health/serving", "/health/ready")


def seen(port):
    """What kferry says now: the status of each path, then what each body says, then the reasons by the metric."""
    answers = [get(port, path) for path in PATHS]
    bodies = [json.loads(body) for _, body in answers]
    degraded = {labels["reason"] for labels, value in scrape(port)[1]["kferry_degraded"] if value}
    return (tuple(status for status, _ in answers),
            [(body["status"], sorted(reason["code"] for reason in body["reasons"])) for body in bodies], degraded)


def firing(degraded):
    """The alerts on a reason whose expression holds for these."""
    alerts = dict(ALERT.findall(ALERTS.read_text()))
    assert len(alerts) == len(set(alerts.values())) >= 6
    return {name for name, reason in alerts.items() if reason in degraded}


def expect(port, statuses, status, *codes, seconds=20):
    """Waits until kferry is in the state, and holds every way to ask against it."""
    wanted = (statuses, [(status, sorted(codes))] * len(PATHS), set(codes))
    deadline = time.monotonic() + seconds
    while (now := seen(port)) != wanted:
        assert time.monotonic() < deadline, f"{now}, not {wanted}"
        time.sleep(0.1)
    if ALERTS.exists():
        assert firing(set(codes)) == {"Kferry" + code.title().replace("_", "") for code in codes}


@contextlib.contextmanager
def running(folder, env, **more):
    with Kferry(folder, env, **more) as kferry:
        yield kferry, int(env["GATEWAY_HTTP_PORT"])


def fail_a_dial(kferry):
    with socket.create_connection(("127.0.0.1", kferry.port), 10) as client:
        client.sendall(request(18, 0))
        assert client.recv(1) == b""


def with_certificate(folder, days):
    certificate(folder, "server", days=days, names="IP:127.0.0.1")
    both = folder / "both.pem"
    both.write_text((folder / "server.crt").read_text() + (folder / "server.key").read_text())
    return {"GATEWAY_LISTENER_EXTERNAL_SECURITY_PROTOCOL": "SSL", "GATEWAY_SSL_KEY_STORE_PATH": str(both)}


def test_starting_before_the_listeners_are_bound(tmp_path):
    """A port is taken, and kferry waits for a predecessor that may be about to leave it."""
    with Mute() as broker, socket.socket() as predecessor:
        env = variables(f"127.0.0.1:{broker.port}")
        port = int(env["GATEWAY_LISTENER_EXTERNAL_PORTS"].split("-")[0])
        predecessor.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        predecessor.bind(("127.0.0.1", port))
        predecessor.listen()
        kferry = Kferry(tmp_path, env)
        try:
            http = int(env["GATEWAY_HTTP_PORT"])
            deadline = time.monotonic() + 3
            while True:
                try:
                    first = seen(http)
                    break
                except OSError:
                    assert kferry.process.poll() is None and time.monotonic() < deadline
                    time.sleep(0.02)
            assert first == ((200, 503, 503), [("starting", [])] * 3, set())
            predecessor.close()
            expect(http, (200, 200, 200), "ready")
        finally:
            kferry.end()


def test_starting_and_no_upstream_ever(tmp_path):
    with running(tmp_path, variables(UNREACHABLE)) as (_, port):
        began = time.monotonic()
        expect(port, (200, 200, 503), "starting", "upstream_unreachable")
        expect(port, (200, 200, 200), "degraded", "upstream_unreachable", seconds=40)
        assert time.monotonic() - began > 20


@pytest.mark.parametrize("more", [{}, SASL], ids=["no SASL", "SASL without credentials"])
def test_the_upstream_is_up(tmp_path, more):
    with Mute() as broker, running(tmp_path, variables(f"127.0.0.1:{broker.port}", **more)) as (_, port):
        expect(port, (200, 200, 200), "ready")


def test_the_upstream_is_lost(tmp_path):
    with Broker() as broker, running(tmp_path, variables(f"127.0.0.1:{broker.port}")) as (kferry, port):
        expect(port, (200, 200, 200), "ready")
        broker.listening.shutdown(socket.SHUT_RDWR)
        fail_a_dial(kferry)
        expect(port, (200, 200, 200), "degraded", "upstream_unreachable")
        broker.listening = socket.create_server(("127.0.0.1", 0))  # closed at the end


def test_one_cluster_of_two_is_lost(tmp_path):
    with Broker() as broker:
        words = ["run", "--config", str(second_cluster(tmp_path, "dark", UNREACHABLE))]
        with running(tmp_path, variables(f"127.0.0.1:{broker.port}"), words=words) as (_, port):
            expect(port, (200, 200, 200), "degraded", "upstream_unreachable")


def test_two_brokers_clash(tmp_path):
    with Broker() as broker, running(tmp_path, variables(f"127.0.0.1:{broker.port}")) as (_, port):
        broker.brokers = [(0, "127.0.0.1", broker.port), (3, "127.0.0.1", broker.port + 1)]
        expect(port, (200, 200, 200), "degraded", "port_clash")


def test_a_certificate_is_in_its_last_week_or_cannot_be_read_again(tmp_path):
    with Mute() as broker:
        env = variables(f"127.0.0.1:{broker.port}", **with_certificate(tmp_path, "6"))
        with running(tmp_path, env) as (_, port):
            expect(port, (200, 200, 200), "degraded", "certificate_expiring")
            (tmp_path / "both.pem").write_text("nothing")
            expect(port, (200, 200, 200), "degraded", "certificate_expiring", "certificate_not_reloaded")
            with_certificate(tmp_path, "90")
            expect(port, (200, 200, 200), "ready")


def test_a_certificate_cannot_be_used(tmp_path):
    with Mute() as broker:
        env = variables(f"127.0.0.1:{broker.port}", KAFKA_SECURITY_PROTOCOL="SSL",
                        KAFKA_SSL_TRUSTSTORE_LOCATION=str(tmp_path / "none.pem"))
        words = ["run", "--config", str(second_cluster(tmp_path, "light", f"127.0.0.1:{broker.port}"))]
        with running(tmp_path, env, words=words) as (_, port):
            expect(port, (200, 200, 200), "degraded", "upstream_unreachable", "certificate_unusable")


@pytest.mark.parametrize("backend", ["io_uring", "epoll"])
def test_a_worker_is_stuck_and_turns_again(tmp_path, backend):
    """One of two: kferry is asked to be restarted, and serves with the other meanwhile."""
    file = tmp_path / "engine.toml"
    file.write_text(f'[engine]\nworkers = 2\nbackend = "{backend}"\n')
    with Mute() as broker:
        env = variables(f"127.0.0.1:{broker.port}")
        try:
            kferry = Kferry(tmp_path, env, words=["run", "--config", str(file)]).__enter__()
        except AssertionError:
            if backend == "io_uring":
                pytest.skip("io_uring cannot be used here")
            raise
        with contextlib.ExitStack() as stack:
            stack.callback(kferry.end)
            port = int(env["GATEWAY_HTTP_PORT"])
            expect(port, (200, 200, 200), "ready")
            with stuck_worker(kferry.process.pid, 1):
                expect(port, (503, 200, 200), "degraded", "worker_stuck")
            expect(port, (200, 200, 200), "ready")


@contextlib.contextmanager
def ready_and_asked(folder, broker, limits="", binary=KFERRY):
    """A kferry of that broker with a control socket that is ready, and a client that waits for an answer."""
    file = folder / "kferry.toml"
    file.write_text(f"[limits]\n{limits}\n")
    env = variables(f"127.0.0.1:{broker.port}", GATEWAY_CONTROL=str(folder / "control.sock"))
    with running(folder, env, words=["run", "--config", str(file)], binary=binary) as (kferry, port):
        known(kferry)
        expect(port, (200, 200, 200), "ready")
        with connect(kferry) as client:
            client.sendall(request(FETCH, 4))
            assert broker.held.acquire(timeout=10)
            yield kferry, port, file


def test_a_drain(tmp_path):
    """The lame duck, in which only /health/ready says so, and then the drain."""
    with Holding() as broker, ready_and_asked(tmp_path, broker, "lame_duck_s = 4") as (kferry, port, _):
        kferry.process.send_signal(signal.SIGTERM)
        expect(port, (200, 200, 503), "draining")
        expect(port, (200, 503, 503), "draining")
        assert scrape(port)[1]["kferry_draining"] == [({}, 1)]
        broker.released.set()


def test_a_drain_while_a_reload_has_failed(tmp_path):
    with Holding() as broker, ready_and_asked(tmp_path, broker) as (kferry, port, file):
        file.write_text("[limits]\nx = 1\n")
        kferry.process.send_signal(signal.SIGHUP)
        expect(port, (200, 200, 200), "degraded", "reload_failed")
        kferry.process.send_signal(signal.SIGINT)
        expect(port, (200, 503, 503), "draining", "reload_failed")
        broker.released.set()


def test_a_reload_is_refused_and_then_taken(tmp_path):
    with Holding() as broker, ready_and_asked(tmp_path, broker) as (kferry, port, file):
        for text, status, codes in (("x = 1", "degraded", ["reload_failed"]), ("keepalive_idle_s = 61", "ready", [])):
            file.write_text(f"[limits]\n{text}\n")
            kferry.process.send_signal(signal.SIGHUP)
            expect(port, (200, 200, 200), status, *codes)
        counts = {labels["outcome"]: value for labels, value in scrape(port)[1]["kferry_reloads_total"]}
        assert counts["refused"] == counts["applied"] == 1
        broker.released.set()


def test_an_upgrade_fails_and_then_succeeds(tmp_path):
    """Every request is answered by a process that is ready, throughout."""
    binary = tmp_path / "kferry"
    binary.symlink_to(KFERRY)
    with Holding() as broker, ready_and_asked(tmp_path, broker, binary=binary) as (kferry, port, _):
        statuses, over = [], threading.Event()

        def ask():
            while not over.is_set():
                statuses.append(tuple(get(port, path)[0] for path in PATHS))

        asking = threading.Thread(target=ask)
        asking.start()
        binary.unlink()
        binary.write_text("#!/bin/sh\nexit 3\n")
        binary.chmod(0o755)
        upgrade = [KFERRY, "upgrade", "--control", tmp_path / "control.sock"]
        assert subprocess.run(upgrade, capture_output=True, timeout=60, check=False).returncode == 1
        expect(port, (200, 200, 200), "ready")
        binary.unlink()
        binary.symlink_to(KFERRY)
        assert subprocess.run(upgrade, capture_output=True, timeout=60, check=False).returncode == 0
        expect(port, (200, 200, 200), "ready")
        assert scrape(port)[1]["kferry_draining"] == [({}, 0)]
        over.set()
        asking.join()
        broker.released.set()
        successor = int(kferry.lines("upgraded")[0].split("process ")[1].split()[0])
        assert kferry.process.wait(20) == 0
        os.kill(successor, signal.SIGINT)
        assert set(statuses) == {(200, 200, 200)}
