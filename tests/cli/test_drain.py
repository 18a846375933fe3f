"""How a running kferry ends: the lame duck, the drain, its deadline, and signals during it."""
import signal
import socket
import struct
import subprocess
import threading
import time

import pytest

from running import KFERRY, Broker, Kferry, free_port, listener_variables, receive, request
from test_health import get
from test_systemd import ServiceManager

FETCH, API_VERSIONS = 1, 18


class Holding(Broker):
    """Answers a Fetch once `released` is set. `held`: so many have come."""

    def __init__(self):
        super().__init__()
        self.brokers = [(0, "127.0.0.1", self.port)]
        self.released = threading.Event()
        self.held = threading.Semaphore(0)

    def answer(self, key, version):
        if key != FETCH:
            return super().answer(key, version)
        self.held.release()
        self.released.wait(60)
        return b"fetched" * 1000


@pytest.fixture(name="broker")
def fixture_broker():
    with Holding() as broker:
        yield broker
        broker.released.set()


@pytest.fixture(name="start")
def fixture_start(tmp_path, broker):
    """Starts a kferry with these limits that knows its broker."""
    def start(more=(), **limits):
        port = free_port(4)
        file = tmp_path / "kferry.toml"
        file.write_text("[limits]\n" + "".join(f"{key} = {value}\n" for key, value in limits.items()))
        env = {**listener_variables(port, f"127.0.0.1:{broker.port}"), "GATEWAY_HTTP_PORT": str(port + 3),
               "GATEWAY_CONTROL": str(tmp_path / "control.sock"), **dict(more)}
        return Kferry(tmp_path, env, words=["run", "--config", str(file)])
    return start


def wait_for(holds, what):
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def known(kferry):
    wait_for(lambda: kferry.lines("discovered"), kferry.text())


def connect(kferry):
    client = socket.create_connection(("127.0.0.1", kferry.port), 20)
    client.sendall(request(API_VERSIONS, 0))
    assert receive(client)
    return client


def refuses(port):
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
    except ConnectionRefusedError:
        return True
    return False


def test_clients_are_served_through_the_lame_duck_and_answered_through_the_drain(start, broker):
    with start(lame_duck_s=1) as kferry:
        known(kferry)
        http = kferry.port + 3
        assert get(http, "/health/ready")[0] == 200
        waiting = connect(kferry)
        waiting.sendall(request(FETCH, 4, correlation=7))
        assert broker.held.acquire(timeout=10)
        idle = connect(kferry)
        kferry.process.send_signal(signal.SIGTERM)
        wait_for(lambda: get(http, "/health/ready")[0] == 503, "ready says 503")
        assert '"status":"draining"' in get(http, "/health/ready")[1]
        assert get(http, "/health/serving")[0] == 200 and get(http, "/health/live")[0] == 200
        connect(kferry).close()  # accepted and answered
        wait_for(lambda: refuses(kferry.port), "the listener closes")
        wait_for(lambda: get(http, "/health/serving")[0] == 503, "serving says 503")
        assert idle.recv(1) == b""
        assert "kferry_draining 1" in get(http, "/metrics")[1]
        broker.released.set()
        assert receive(waiting) == struct.pack(">i", 7) + b"fetched" * 1000
        assert waiting.recv(1) == b""
        waiting.close()
        idle.close()
        assert kferry.process.wait(10) == 0
        assert len(kferry.lines("lame_duck")) == len(kferry.lines("draining")) == len(kferry.lines("drained")) == 1


def test_a_client_that_goes_on_sending_gets_its_answers_and_no_reset(start, broker):
    """Its further requests are read and dropped until it closes, because unread bytes would turn the end into a reset."""
    with start() as kferry:
        known(kferry)
        client = connect(kferry)
        for number in range(5):
            client.sendall(request(FETCH, 4, correlation=number))
        assert broker.held.acquire(timeout=10)
        kferry.process.send_signal(signal.SIGINT)
        wait_for(lambda: refuses(kferry.port), "the listener closes")
        time.sleep(0.5)  # reading has stopped
        client.sendall(request(FETCH, 4, b"\0" * 100_000, correlation=99))
        broker.released.set()
        for number in range(5):
            assert receive(client) == struct.pack(">i", number) + b"fetched" * 1000
        assert client.recv(1) == b""
        client.sendall(request(FETCH, 4, b"\0" * 100_000, correlation=100))
        time.sleep(0.2)
        assert client.recv(1) == b""  # and not a reset
        client.close()
        assert kferry.process.wait(10) == 0


def test_a_kferry_without_clients_ends_at_once(start):
    with start(lame_duck_s=0) as kferry:
        began = time.monotonic()
        assert kferry.end(signal.SIGTERM) == 0
        assert time.monotonic() - began < 2
        assert len(kferry.lines("drained")) == 1 and kferry.lines("stopped")


def test_what_is_unanswered_at_the_deadline_is_reset_and_counted(start, broker):
    with start(drain_deadline_s=2) as kferry:
        known(kferry)
        with connect(kferry) as client:
            client.sendall(request(FETCH, 4))
            assert broker.held.acquire(timeout=10)
            assert kferry.end(signal.SIGINT) == 0
            with pytest.raises(ConnectionResetError):
                client.recv(1)
        line, = kferry.lines("drain_cut_short")
        assert "1 was reset" in line


@pytest.mark.parametrize("first, second", [(signal.SIGTERM, signal.SIGINT), (signal.SIGINT, signal.SIGTERM)],
                         ids=["lame duck", "drain"])
def test_a_second_signal_ends_at_once(start, broker, first, second):
    with start(lame_duck_s=60) as kferry:
        known(kferry)
        assert get(kferry.port + 3, "/health/ready")[0] == 200
        with connect(kferry) as client:
            client.sendall(request(FETCH, 4))
            assert broker.held.acquire(timeout=10)
            kferry.process.send_signal(first)
            wait_for(lambda: kferry.lines("lame_duck" if first == signal.SIGTERM else "draining"), kferry.text())
            assert kferry.process.poll() is None
            began = time.monotonic()
            assert kferry.end(second) == 0
            assert time.monotonic() - began < 5
            with pytest.raises(ConnectionResetError):
                client.recv(1)
        assert kferry.lines("stopping") and not kferry.lines("drained")


def test_without_a_question_for_health_there_is_no_lame_duck(start, broker):
    with start(lame_duck_s=60) as kferry:
        known(kferry)
        began = time.monotonic()
        assert kferry.end(signal.SIGTERM) == 0
        assert time.monotonic() - began < 30 and not kferry.lines("lame_duck")


def test_progress_is_logged(start, broker):
    with start(drain_deadline_s=7) as kferry:
        known(kferry)
        with connect(kferry) as client:
            client.sendall(request(FETCH, 4))
            assert broker.held.acquire(timeout=10)
            assert kferry.end(signal.SIGINT) == 0
        line, = kferry.lines("drain_progress")
        assert "1 connection left" in line


def draining(folder, *words):
    return subprocess.Popen([KFERRY, "drain", "--control", folder / "control.sock", *words], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)


def test_kferry_drain_shows_its_progress_and_a_second_one_changes_nothing(start, broker, tmp_path):
    with start() as kferry:
        known(kferry)
        waiting = connect(kferry)
        waiting.sendall(request(FETCH, 4, correlation=7))
        assert broker.held.acquire(timeout=10)
        first = draining(tmp_path)
        assert first.stdout.readline() == "kferry drains\n"
        assert first.stdout.readline() == "draining: 1 connection left\n"
        second = draining(tmp_path)
        assert second.stdout.readline() == "kferry drains\n"
        at_once = draining(tmp_path, "--no-wait")
        assert at_once.communicate(timeout=20)[0].startswith("kferry drains") and at_once.returncode == 0
        broker.released.set()
        assert receive(waiting) == struct.pack(">i", 7) + b"fetched" * 1000
        assert waiting.recv(1) == b""
        waiting.close()
        for verb in (first, second):
            assert "ended in order within" in verb.communicate(timeout=20)[0].splitlines()[-1] and verb.returncode == 0
        assert kferry.process.wait(10) == 0 and not kferry.lines("stopping")


def test_kferry_drain_fails_where_connections_are_reset(start, broker, tmp_path):
    with start(drain_deadline_s=1) as kferry:
        known(kferry)
        with connect(kferry) as client:
            client.sendall(request(FETCH, 4))
            assert broker.held.acquire(timeout=10)
            verb = draining(tmp_path)
            assert "1 was reset; raise drain_deadline_s" in verb.communicate(timeout=20)[1] and verb.returncode == 1
        assert kferry.process.wait(10) == 0


def test_systemd_is_told_of_the_progress(start, broker, tmp_path):
    with ServiceManager(tmp_path) as manager, start(manager.variables()) as kferry:
        known(kferry)
        with connect(kferry) as client:
            client.sendall(request(FETCH, 4))
            assert broker.held.acquire(timeout=10)
            kferry.process.send_signal(signal.SIGINT)
            manager.wait(STATUS="draining: 1 connection left")
            broker.released.set()
            manager.wait(STOPPING="1")
