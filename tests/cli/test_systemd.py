"""What systemd is told: readiness, status, signs of life, and the end. The test is the service manager's socket.

Needs the built binary's path in KFERRY, as test_cli.py does.
"""
import os
import signal
import socket
import subprocess
import time

import pytest

from running import KFERRY, Broker, Kferry
from stuck import stuck_worker
from test_health import UNREACHABLE, variables

VERSION = subprocess.run([KFERRY, "--version"], capture_output=True, text=True, check=True).stdout.split()[1]


class ServiceManager:
    """Listens at a path, or in the abstract namespace."""

    def __init__(self, folder, abstract=False):
        self.name = f"@kferry-test-{os.getpid()}-{time.monotonic_ns()}" if abstract else str(folder / "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + self.name[1:] if abstract else self.name)

    def variables(self, watchdog_us=None, process=None):
        found = {"NOTIFY_SOCKET": self.name}
        if watchdog_us:
            found["WATCHDOG_USEC"] = str(watchdog_us)
        if process:
            found["WATCHDOG_PID"] = str(process)
        return found

    def next(self, seconds):
        """The assignments of the next message; None: none comes in time."""
        self.socket.settimeout(seconds)
        try:
            return dict(line.split("=", 1) for line in self.socket.recv(4096).decode().split("\n"))
        except TimeoutError:
            return None

    def wait(self, seconds=20, **wanted):
        """Returns the first message that has these assignments, and what came before it."""
        deadline, before = time.monotonic() + seconds, []
        while (left := deadline - time.monotonic()) > 0:
            message = self.next(left)
            if message and all(message.get(name) == value for name, value in wanted.items()):
                return message, before
            before.append(message)
        raise AssertionError(f"no {wanted}, only {before}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


@pytest.mark.parametrize("abstract", [False, True], ids=["path", "abstract"])
def test_ready_comes_once_a_bootstrap_server_has_answered_and_stopping_at_the_end(tmp_path, abstract):
    with ServiceManager(tmp_path, abstract) as manager, Broker() as broker:
        broker.brokers = [(0, "127.0.0.1", broker.port), (1, "127.0.0.1", broker.port + 1)]
        env = variables(f"127.0.0.1:{broker.port}") | manager.variables()
        with Kferry(tmp_path, env) as kferry:
            message, before = manager.wait(READY="1")
            assert message["STATUS"].startswith(f"{VERSION}: 1 listener, ")
            assert all("READY" not in one for one in before)
            manager.wait(STATUS=f"{VERSION}: 1 listener, 2 brokers, ready") if "2 brokers" not in message["STATUS"] else None
            kferry.end()
            message, before = manager.wait(STOPPING="1")
            assert all("READY" not in one and "WATCHDOG" not in one for one in before)


def test_the_status_says_what_is_missing_until_it_is_there(tmp_path):
    """The broker's port is taken, but not listened on, until the first status has come."""
    with ServiceManager(tmp_path) as manager, socket.socket() as broker_to_be:
        broker_to_be.bind(("127.0.0.1", 0))
        port = broker_to_be.getsockname()[1]
        with Kferry(tmp_path, variables(f"127.0.0.1:{port}") | manager.variables()):
            assert manager.next(20)["STATUS"].startswith(f"{VERSION}: 1 listener, 0 brokers, starting")
            broker_to_be.listen()
            with Broker([(0, "127.0.0.1", port)], listening=broker_to_be):
                manager.wait(READY="1")


def test_a_reload_is_told_as_it_begins_and_ends(tmp_path):
    with ServiceManager(tmp_path) as manager, Broker() as broker:
        with Kferry(tmp_path, variables(f"127.0.0.1:{broker.port}") | manager.variables()) as kferry:
            manager.wait(READY="1")
            before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
            kferry.process.send_signal(signal.SIGHUP)
            message, _ = manager.wait(RELOADING="1")
            assert before <= int(message["MONOTONIC_USEC"]) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
            manager.wait(READY="1")


def test_signs_of_life_come_in_time_and_a_stuck_worker_ends_them(tmp_path):
    with ServiceManager(tmp_path) as manager, Broker() as broker:
        with Kferry(tmp_path, variables(f"127.0.0.1:{broker.port}") | manager.variables(1_000_000)) as kferry:
            began = time.monotonic()
            for _ in range(4):
                manager.wait(1, WATCHDOG="1")
            assert time.monotonic() - began < 3
            with stuck_worker(kferry.process.pid):
                message, _ = manager.wait(20, STATUS=f"{VERSION}: 1 listener, 0 brokers, degraded: worker_stuck")
                assert message
                assert manager.next(1.5) is None
            manager.wait(WATCHDOG="1")


def test_a_watchdog_of_another_process_is_left_alone(tmp_path):
    with ServiceManager(tmp_path) as manager, Broker() as broker:
        with Kferry(tmp_path, variables(f"127.0.0.1:{broker.port}") | manager.variables(200_000, os.getpid())) as kferry:
            manager.wait(READY="1")
            time.sleep(0.5)
            kferry.end()
            _, before = manager.wait(STOPPING="1")
            assert all("WATCHDOG" not in one for one in before)


def test_a_socket_that_is_not_there_is_told_and_kferry_serves(tmp_path):
    with Broker() as broker:
        env = variables(f"127.0.0.1:{broker.port}") | {"NOTIFY_SOCKET": str(tmp_path / "nothing")}
        with Kferry(tmp_path, env) as kferry:
            deadline = time.monotonic() + 10
            while not kferry.lines("notify_failed") and time.monotonic() < deadline:
                time.sleep(0.05)
            assert kferry.end() == 0
            assert 1 <= len(kferry.lines("notify_failed")) <= 4


def test_without_a_service_manager_nothing_is_said(tmp_path):
    with Kferry(tmp_path, variables(UNREACHABLE)) as kferry:
        kferry.end()
        assert not kferry.lines("notify_failed")
