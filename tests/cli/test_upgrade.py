"""Upgrades of a running kferry: the new process takes the sockets over, and no client is refused."""
import json
import os
import pathlib
import re
import signal
import socket
import ssl
import struct
import subprocess
import threading
import time

import pytest

from running import KFERRY, Kferry, free_port, listener_variables, receive, request
from test_drain import Holding, connect, known, refuses, wait_for
from test_health import get
from test_tls import certificate

FETCH = 1


@pytest.fixture(name="broker")
def fixture_broker():
    with Holding() as broker:
        yield broker
        broker.released.set()


class Upgraded(Kferry):
    """Runs from a link, so that a test can put another binary in its place."""

    def __init__(self, folder, env, limits=""):
        self.binary = pathlib.Path(folder) / "kferry"
        self.binary.symlink_to(KFERRY)
        file = pathlib.Path(folder) / "kferry.toml"
        file.write_text(f"[limits]\n{limits}\n")
        self.pids = []
        super().__init__(folder, env, words=["run", "--config", str(file)], binary=self.binary)
        self.pids.append(self.process.pid)

    def replace(self, script):
        self.binary.unlink()
        if script is None:
            self.binary.symlink_to(KFERRY)
        else:
            self.binary.write_text(script)
            self.binary.chmod(0o755)

    def upgrade(self):
        """The id of the process that serves then."""
        done, failed = len(self.lines("upgraded")), len(self.lines("upgrade_failed"))
        os.kill(self.pids[-1], signal.SIGUSR2)
        wait_for(lambda: len(self.lines("upgraded")) > done or len(self.lines("upgrade_failed")) > failed, self.text())
        assert len(self.lines("upgrade_failed")) == failed, self.text()
        self.pids.append(int(self.lines("upgraded")[-1].split("process ")[1].split()[0]))
        return self.pids[-1]

    def alive(self):
        return [pid for pid in self.pids if running(pid)]

    def end(self, by=signal.SIGINT):
        for pid in self.alive():
            os.kill(pid, by)
        status = self.process.wait(20)
        wait_for(lambda: not self.alive(), self.text())
        return status


def running(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


@pytest.fixture(name="kferry")
def fixture_kferry(tmp_path, broker):
    port = free_port(4)
    env = {**listener_variables(port, f"127.0.0.1:{broker.port}"), "GATEWAY_HTTP_PORT": str(port + 3),
           "GATEWAY_CONTROL": str(tmp_path / "control.sock")}
    with Upgraded(tmp_path, env, "drain_deadline_s = 10\nlame_duck_s = 0") as kferry:
        known(kferry)
        yield kferry


def test_a_new_process_serves_and_the_old_one_drains(kferry, broker):
    http = kferry.port + 3
    waiting = connect(kferry)
    waiting.sendall(request(FETCH, 4, correlation=7))
    assert broker.held.acquire(timeout=10)
    old = kferry.pids[0]
    new = kferry.upgrade()
    assert new != old and running(old) and running(new)
    connect(kferry).close()
    wait_for(lambda: get(http, "/health/ready")[0] == 200, "the new process is ready")
    broker.released.set()
    assert receive(waiting) == struct.pack(">i", 7) + b"fetched" * 1000
    assert waiting.recv(1) == b""
    waiting.close()
    assert kferry.process.wait(15) == 0
    assert running(new)
    connect(kferry).close()
    assert len(kferry.lines("drained")) == 1


def command(path, name):
    """The result of a command of the control socket."""
    with socket.socket(socket.AF_UNIX) as control:
        control.settimeout(60)
        control.connect(str(path))
        control.sendall(json.dumps({"v": 1, "command": name}).encode() + b"\n")
        return json.loads(control.makefile().readline())


def test_the_control_socket_upgrades_and_stays(kferry, tmp_path):
    path = tmp_path / "control.sock"
    for upgrades in (1, 2):
        assert command(path, "upgrade")["ok"]
        wait_for(lambda: len(kferry.lines("upgraded")) == upgrades, kferry.text())  # pylint: disable=cell-var-from-loop
        kferry.pids.append(int(kferry.lines("upgraded")[-1].split("process ")[1].split()[0]))
        wait_for(lambda: kferry.alive() == kferry.pids[-1:], "former processes end")
        assert command(path, "version")["ok"] and path.exists()
    assert command(path, "drain")["ok"]
    wait_for(lambda: not kferry.alive(), kferry.text())
    assert not path.exists()


def verb(kferry, *words):
    """A finished `kferry upgrade` or `kferry drain`."""
    return subprocess.run([kferry.binary, *words, "--control", kferry.log.parent / "control.sock"], capture_output=True, text=True,
                          timeout=90, check=False)


def test_kferry_upgrade_returns_once_the_new_process_serves(kferry):
    shown = verb(kferry, "upgrade")
    assert shown.returncode == 0, shown.stderr
    running_one, result = shown.stdout.splitlines()
    assert running_one.startswith("kferry 0.") and shown.stderr == ""
    kferry.pids.append(int(re.fullmatch(rf"process (\d+) serves now, and process {kferry.pids[0]} drains", result)[1]))
    wait_for(lambda: kferry.alive() == kferry.pids[-1:], "the former process ends")
    connect(kferry).close()
    shown = verb(kferry, "drain")  # by the new process's socket
    assert shown.returncode == 0 and "ended in order" in shown.stdout.splitlines()[-1]
    wait_for(lambda: not kferry.alive(), "the drained process ends")


def test_kferry_upgrade_says_why_the_new_process_fails_and_what_to_do(kferry):
    kferry.replace("#!/bin/sh\nexit 3\n")
    shown = subprocess.run([KFERRY, "upgrade", "--control", kferry.log.parent / "control.sock"], capture_output=True, text=True,
                           timeout=60, check=False)
    assert shown.returncode == 1
    assert "ended before it was ready" in shown.stderr and "kferry check" in shown.stderr and "nothing has changed" in shown.stderr
    connect(kferry).close()


@pytest.mark.parametrize("name", ["upgrade", "drain"])
def test_a_verb_without_a_kferry_says_what_to_do(tmp_path, name):
    shown = subprocess.run([KFERRY, name, "--control", tmp_path / "missing.sock"], capture_output=True, text=True, timeout=60, check=False)
    assert shown.returncode == 1 and shown.stdout == ""
    assert "does kferry run here, with this control socket? --control names another" in shown.stderr


def test_the_new_process_knows_the_brokers_at_once(kferry):
    """What was learnt is handed over: the first client after the upgrade meets no stand-in."""
    before = len(kferry.lines("discovered"))
    kferry.upgrade()
    with connect(kferry) as client:
        client.sendall(request(FETCH, 4))
    assert before and not kferry.lines("stand_in_refused")


def test_no_connection_is_refused_or_reset_through_upgrades(kferry):
    failures, count, over = [], [0], threading.Event()

    def client():
        while not over.is_set():
            try:
                with socket.create_connection(("127.0.0.1", kferry.port), 10) as one:
                    one.sendall(request(18, 0))
                    receive(one)
                    count[0] += 1
            except (OSError, EOFError) as error:
                failures.append(repr(error))
            time.sleep(0.01)

    threads = [threading.Thread(target=client) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        kferry.upgrade()
        seen = count[0]
        wait_for(lambda seen=seen: count[0] > seen + 50, "clients are served")
    over.set()
    for thread in threads:
        thread.join()
    assert not failures
    assert len(set(kferry.pids)) == 4
    wait_for(lambda: kferry.alive() == kferry.pids[-1:], "former processes end")


@pytest.mark.parametrize("script, why", [
    ("#!/bin/sh\nexit 3\n", "ended before it was ready"),
    ("#!/nowhere/at/all\n", "cannot be executed"),
    (f"#!/bin/sh\nexec {KFERRY} run --config /nowhere.toml\n", "ended before it was ready"),
], ids=["ends", "cannot be executed", "bad configuration"])
def test_a_bad_binary_changes_nothing(kferry, script, why):
    kferry.replace(script)
    os.kill(kferry.pids[0], signal.SIGUSR2)
    wait_for(lambda: kferry.lines("upgrade_failed"), kferry.text())
    assert why in kferry.lines("upgrade_failed")[0]
    connect(kferry).close()
    assert get(kferry.port + 3, "/health/live")[0] == 200
    kferry.replace(None)
    failed = kferry.lines("upgrade_failed")
    os.kill(kferry.pids[0], signal.SIGUSR2)
    wait_for(lambda: kferry.lines("upgraded") or kferry.lines("upgrade_failed") != failed, kferry.text())
    kferry.pids.append(int(kferry.lines("upgraded")[-1].split("process ")[1].split()[0]))
    connect(kferry).close()


def test_a_binary_that_hangs_is_bounded_and_others_are_refused_meanwhile(kferry, tmp_path):
    """SIGTERM in the meantime ends the new process, and then this one."""
    kferry.replace(f"#!/bin/sh\necho $$ > {tmp_path}/hung\nexec sleep 1000\n")
    os.kill(kferry.pids[0], signal.SIGUSR2)
    wait_for(lambda: (tmp_path / "hung").exists() and (tmp_path / "hung").read_text(), kferry.text())
    hung = int((tmp_path / "hung").read_text())
    os.kill(kferry.pids[0], signal.SIGUSR2)
    wait_for(lambda: kferry.lines("upgrade_failed"), kferry.text())
    assert "another upgrade is under way" in kferry.lines("upgrade_failed")[0]
    connect(kferry).close()
    os.kill(kferry.pids[0], signal.SIGINT)
    assert kferry.process.wait(10) == 0
    wait_for(lambda: not running(hung), "the new process is ended")


def test_tls_clients_resume_across_an_upgrade(tmp_path, broker):
    certificate(tmp_path, "server", names="IP:127.0.0.1")
    both = tmp_path / "both.pem"
    both.write_text((tmp_path / "server.crt").read_text() + (tmp_path / "server.key").read_text())
    port = free_port(4)
    env = {**listener_variables(port, f"127.0.0.1:{broker.port}"), "GATEWAY_HTTP_PORT": str(port + 3),
           "GATEWAY_LISTENER_EXTERNAL_SECURITY_PROTOCOL": "SSL", "GATEWAY_SSL_KEY_STORE_PATH": str(both)}
    context = ssl.create_default_context(cafile=str(tmp_path / "server.crt"))

    def ask(session=None):
        """Whether the session was resumed, and the one to resume next."""
        with socket.create_connection(("127.0.0.1", port), 10) as plain:
            with context.wrap_socket(plain, server_hostname="127.0.0.1", session=session) as client:
                client.sendall(request(18, 0))
                assert receive(client)
                return client.session_reused, client.session

    with Upgraded(tmp_path, env) as kferry:
        assert not ask()[0]
        kferry.upgrade()
        reused, session = ask()
        assert not reused
        kferry.upgrade()
        assert ask(session)[0]


def test_sockets_of_systemd_are_adopted(tmp_path, broker):
    """Socket activation: the port is bound, and clients wait in its queue, before kferry starts."""
    port = free_port(4)
    file = tmp_path / "kferry.toml"
    file.write_text("[limits]\nlame_duck_s = 0\n")
    env = {**listener_variables(port, f"127.0.0.1:{broker.port}"), "GATEWAY_HTTP_PORT": str(port + 3)}
    listening = socket.create_server(("0.0.0.0", port))
    unused = socket.create_server(("127.0.0.1", free_port(1)))
    early = socket.create_connection(("127.0.0.1", port), 20)
    early.sendall(request(18, 0))

    first, second = listening.fileno(), unused.fileno()
    words = ["bash", "-c", f'LISTEN_PID=$$ exec "$0" "$@" 3<&{first} 4<&{second}', KFERRY, "run", "--config", str(file)]
    log = tmp_path / "activated.log"
    with open(log, "wb") as out:
        process = subprocess.Popen(words, stdout=out, stderr=out, pass_fds=(first, second), env={
            "PATH": os.environ["PATH"], **env, "LISTEN_FDS": "2", "LISTEN_FDNAMES": "kafka:other"})
    try:
        assert receive(early)
        assert "cause=handed_sockets_unused" in log.read_text()
        listening.close()
        early.close()
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert refuses(port)
