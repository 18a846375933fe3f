"""The control socket: its protocol, who may use it, and whose it is."""
import json
import os
import pathlib
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile

import pytest

from frames import free_port
from reloading import Reloading, can_connect, listener, upstream, wait_until
from running import KFERRY

@pytest.fixture
def kferry(tmp_path):
    with Reloading(tmp_path) as one:
        one.write(upstream(1), listener("external", free_port()))
        yield one.start()


class Control:
    """A connection to a control socket; ask() returns the lines of the answer."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))
        self.socket.settimeout(20)
        self.stream = self.socket.makefile("rw")

    def ask(self, **request):
        self.stream.write(json.dumps({"v": 1, **request}) + "\n")
        self.stream.flush()
        return self.answer()

    def answer(self):
        """Without the warnings, which are about the address that these tests advertise."""
        lines = []
        while not lines or lines[-1].get("type") != "result":
            line = self.stream.readline()
            if not line:
                return lines
            lines.append(json.loads(line))
            assert lines[-1]["v"] == 1
        return [line for line in lines if line["type"] != "warning"]

    def close(self):
        self.stream.close()
        self.socket.close()


def test_commands_over_one_connection(kferry):
    control = Control(kferry.control)
    assert control.ask(command="reload") == [{"v": 1, "type": "result", "ok": True, "text": "nothing has changed"}]
    [version] = control.ask(command="version")
    assert version["ok"] and version["text"].startswith("kferry 0.")
    [health] = control.ask(command="health")
    assert json.loads(health["text"])["status"] in ("starting", "ready", "degraded")
    [unknown] = control.ask(command="fly")
    assert not unknown["ok"] and "commands: reload" in unknown["text"]
    [nothing] = control.ask()
    assert not nothing["ok"]
    assert control.ask(command="reload", dry_run=True)[-1]["text"] == "nothing would change"
    control.close()


def test_a_reload_answers_line_by_line(kferry):
    kferry.write(upstream(1), listener("external", free_port()), "[engine]\nworkers = 3\n")
    control = Control(kferry.control)
    lines = control.ask(command="reload")
    assert [line["type"] for line in lines] == ["change", "needs_upgrade", "result"]
    kferry.write("[limits]\nx = 1\ny = 2\n")
    lines = control.ask(command="reload")
    assert {line["type"] for line in lines} == {"error", "result"} and not lines[-1]["ok"]
    control.close()


def test_what_is_not_a_request(kferry):
    control = Control(kferry.control)
    for line in ("hello", "[]", '{"v":1,"command":{}}', '{"command":"reload"}', '{"v":2,"command":"reload"}', "\0"):
        control.stream.write(line + "\n")
        control.stream.flush()
        [refusal] = control.answer()
        assert not refusal["ok"]
    control.stream.write("x" * 10_000)
    control.stream.flush()
    assert "too long" in control.answer()[-1]["text"]
    control.close()
    assert kferry.reload_well() == ["nothing has changed"]


def test_silent_clients_hold_up_no_other(kferry):
    silent = [Control(kferry.control) for _ in range(40)]
    assert kferry.reload_well() == ["nothing has changed"]
    for one in silent:
        one.close()


def test_it_is_for_its_user_alone_and_removed_at_the_end(kferry):
    assert stat.S_IMODE(kferry.control.stat().st_mode) == 0o600
    kferry.process.send_signal(signal.SIGINT)
    kferry.process.send_signal(signal.SIGINT)
    kferry.process.wait(20)
    assert not kferry.control.exists()


ASK = """
import os, socket, sys
os.setgid(65534); os.setuid(65534)
one = socket.socket(socket.AF_UNIX)
one.connect(sys.argv[1])
print(one.makefile().readline())
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become another user")
def test_another_user_is_refused_even_where_the_mode_lets_it_in():
    folder = tempfile.mkdtemp(dir="/tmp")
    os.chmod(folder, 0o755)
    try:
        with Reloading(folder) as kferry:
            kferry.write(upstream(1), listener("external", free_port()))
            kferry.start()
            os.chmod(kferry.control, 0o666)
            shown = subprocess.run([sys.executable, "-c", ASK, kferry.control], capture_output=True, text=True, timeout=30, check=True)
            assert '"ok":false' in shown.stdout and "only kferry's own user and root" in shown.stdout
    finally:
        shutil.rmtree(folder)


def run(folder, file):
    log = pathlib.Path(folder) / "second.log"
    with open(log, "wb") as out:
        return log, subprocess.Popen([KFERRY, "run", "--config", file], stdin=subprocess.DEVNULL, stdout=out, stderr=out)


def test_a_second_kferry_leaves_the_socket_of_the_first_alone(kferry, tmp_path):
    port, http = free_port(), free_port(1)
    file = tmp_path / "second.toml"
    file.write_text("\n".join([upstream(1), listener("external", port),
                               f'[operations]\nbind = "127.0.0.1:{http}"\ncontrol = "{kferry.control}"\n']))
    log, second = run(tmp_path, file)
    try:
        wait_until(lambda: "control_unavailable" in log.read_text())
        assert "another kferry serves it" in log.read_text()
        assert can_connect(port)
        assert kferry.reload_well() == ["nothing has changed"]
    finally:
        second.kill()
        second.wait()
    assert kferry.reload_well() == ["nothing has changed"]


def test_the_socket_of_a_killed_kferry_is_replaced(kferry):
    kferry.process.kill()
    kferry.process.wait()
    assert kferry.control.exists()
    asked = kferry.reload()
    assert asked.returncode == 1 and "Connection refused" in asked.stderr and "does kferry run here" in asked.stderr
    before = kferry.control.stat().st_ino, kferry.control.stat().st_ctime_ns
    kferry.start()
    wait_until(lambda: (kferry.control.stat().st_ino, kferry.control.stat().st_ctime_ns) != before)
    wait_until(lambda: kferry.reload().returncode == 0)


def test_without_its_directory_kferry_warns_and_serves(tmp_path):
    kferry = Reloading(tmp_path)
    kferry.control = tmp_path / "missing" / "control.sock"
    port = free_port()
    kferry.write(upstream(1), listener("external", port))
    _, process = run(tmp_path, kferry.file)
    log = tmp_path / "second.log"
    try:
        wait_until(lambda: "control_unavailable" in log.read_text())
        assert "create its directory" in log.read_text()
        assert can_connect(port)
        process.send_signal(signal.SIGHUP)
        wait_until(lambda: "cause=reloaded " in log.read_text())
    finally:
        process.kill()
        process.wait()
    asked = subprocess.run([KFERRY, "reload", "--config", kferry.file], capture_output=True, text=True, timeout=30, check=False)
    assert asked.returncode == 1 and str(kferry.control) in asked.stderr


def test_reload_finds_the_socket_by_the_configuration(kferry):
    shown = subprocess.run([KFERRY, "reload", "--config", kferry.file], capture_output=True, text=True, timeout=30, check=True)
    assert shown.stdout == "nothing has changed\n"
    kferry.file.write_text(kferry.file.read_text() + "[limits]\nx = 1\n")  # the socket is found nevertheless
    shown = subprocess.run([KFERRY, "reload", "--config", kferry.file], capture_output=True, text=True, timeout=30, check=False)
    assert shown.returncode == 2 and "unknown key" in shown.stderr


def test_off_opens_none(tmp_path):
    kferry = Reloading(tmp_path)
    kferry.control = "off"
    kferry.write(upstream(1), listener("external", free_port()))
    _, process = run(tmp_path, kferry.file)
    log = tmp_path / "second.log"
    try:
        wait_until(lambda: "cause=ready " in log.read_text())
        process.send_signal(signal.SIGHUP)
        wait_until(lambda: "cause=reloaded " in log.read_text())
        assert "control_unavailable" not in log.read_text()
    finally:
        process.kill()
        process.wait()
