"""Upgrades that go wrong, and what else happens during one: nothing is lost, and the state is reported right."""
import os
import signal
import struct
import subprocess
import sys
import threading
import time

import pytest

from frames import receive, request, text
from running import KFERRY, Broker, free_port, listener_variables
from test_drain import connect, known, wait_for
from test_health import get
from test_metrics import scrape
from test_systemd import ServiceManager
from test_upgrade import FETCH, Upgraded, fixture_broker, fixture_kferry, running, verb  # pylint: disable=unused-import


def asked(kferry, *words):
    """A `kferry upgrade` of this test's own binary, whatever is in the place of the running one."""
    return subprocess.run([KFERRY, "upgrade", *words, "--control", kferry.log.parent / "control.sock"], capture_output=True, text=True,
                          timeout=90, check=False)


def test_a_binary_that_hangs_is_killed_in_time(kferry, tmp_path):
    kferry.replace(f"#!/bin/sh\necho $$ > {tmp_path}/hung\nexec sleep 1000\n")
    began = time.monotonic()
    shown = asked(kferry, "--timeout", "2")
    assert shown.returncode == 1 and "it was not ready within 2 s, and was killed" in shown.stderr
    assert time.monotonic() - began < 20
    assert "it was not ready within 2 s" in kferry.lines("upgrade_failed")[0]
    wait_for(lambda: not running(int((tmp_path / "hung").read_text())), "the new process is killed")
    connect(kferry).close()
    kferry.replace(None)
    kferry.upgrade()
    connect(kferry).close()


def test_a_binary_that_takes_over_nothing_changes_nothing(kferry):
    """As one does that is older than upgrades: it wants to bind the ports itself, which are taken."""
    kferry.replace(f'#!/bin/sh\nunset LISTEN_PID LISTEN_FDS LISTEN_FDNAMES\nexec {KFERRY} "$@"\n')
    shown = asked(kferry, "--timeout", "3")
    assert shown.returncode == 1 and "nothing has changed" in shown.stderr
    client = connect(kferry)
    assert get(kferry.port + 3, "/health/live")[0] == 200
    client.close()
    kferry.replace(None)
    kferry.upgrade()


OTHER_VERSION = """#!{python}
import os, sys
fd = 3 + os.environ["LISTEN_FDNAMES"].split(":").index("kferry-state")
os.ftruncate(fd, 0)
os.pwrite(fd, b"kferry-state 2\\nsomething new\\nend\\n", 0)
os.execv("{kferry}", ["{kferry}", *sys.argv[1:]])
"""


def test_a_state_of_another_version_is_left_aside(kferry):
    """An older binary that meets a newer state, or the reverse: it serves and learns the brokers anew."""
    kferry.replace(OTHER_VERSION.format(python=sys.executable, kferry=KFERRY))
    kferry.upgrade()
    line, = kferry.lines("handed_state_unreadable")
    assert "brokers are learnt anew" in line
    wait_for(lambda: len(kferry.lines("discovered")) >= 2, "the new process discovers the brokers")
    connect(kferry).close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_signal_to_end_during_an_upgrade_drains(kferry, broker, tmp_path, number):
    """The new process is ended, who has asked for it is told, and what was read is answered."""
    kferry.replace(f"#!/bin/sh\necho $$ > {tmp_path}/hung\nexec sleep 1000\n")
    waiting = connect(kferry)
    waiting.sendall(request(FETCH, 4, correlation=7))
    assert broker.held.acquire(timeout=10)
    answers = []
    asking = threading.Thread(target=lambda: answers.append(asked(kferry)))
    asking.start()
    wait_for(lambda: (tmp_path / "hung").exists() and (tmp_path / "hung").read_text(), kferry.text())
    os.kill(kferry.pids[0], number)
    asking.join(20)
    assert f"{number.name} came before the new process was ready" in answers[0].stderr
    wait_for(lambda: not running(int((tmp_path / "hung").read_text())), "the new process is ended")
    broker.released.set()
    assert receive(waiting) == struct.pack(">i", 7) + b"fetched" * 1000
    assert waiting.recv(1) == b""
    waiting.close()
    assert kferry.process.wait(10) == 0 and kferry.lines("drained")


def test_two_that_ask_at_once_are_both_told(kferry):
    """The second one upgrades the process that the first one has started, or hears that it came just then."""
    shown = []
    askers = [threading.Thread(target=lambda: shown.append(verb(kferry, "upgrade"))) for _ in range(2)]
    for one in askers:
        one.start()
    for one in askers:
        one.join(60)
    assert shown and all(one.returncode == 0 or "serves in place of this one" in one.stderr or "ask again" in one.stderr or "cut short" in one.stderr
                         for one in shown), [one.stderr for one in shown]
    assert any(one.returncode == 0 for one in shown)
    kferry.pids += [int(line.split("process ")[1].split()[0]) for line in kferry.lines("upgraded")]
    wait_for(lambda: kferry.alive() == kferry.pids[-1:], "former processes end")
    connect(kferry).close()


class Named(Broker):
    """Answers a Fetch with its name."""

    def __init__(self, name):
        super().__init__()
        self.name = name

    def answer(self, key, version):
        return self.name if key == FETCH else super().answer(key, version)


def test_brokers_learnt_from_traffic_alone_survive(tmp_path):
    """With SASL and without credentials kferry asks for no list: what clients have taught it is handed over."""
    with Named(b"first") as first, Named(b"second") as second:
        first.brokers = second.brokers = [(0, "127.0.0.1", first.port), (1, "127.0.0.1", second.port)]
        port = free_port(4)
        env = {**listener_variables(port, f"127.0.0.1:{first.port}", "SASL_PLAINTEXT"), "GATEWAY_HTTP_PORT": str(port + 3)}
        with Upgraded(tmp_path, env, "lame_duck_s = 0") as kferry:
            client = connect(kferry)
            client.sendall(request(3, 1, struct.pack(">i", 0)))
            assert text("127.0.0.1") + struct.pack(">i", port + 1) in receive(client)
            client.close()
            kferry.upgrade()
            wait_for(lambda: not running(kferry.pids[0]), "the former process ends")
            for place, name in ((1, b"second"), (0, b"first")):
                kferry.port = port + place
                with connect(kferry) as client:
                    client.sendall(request(FETCH, 4, correlation=9))
                    assert receive(client) == struct.pack(">i", 9) + name
            assert not kferry.lines("stand_in_refused") and not kferry.lines("discovered")


def test_health_and_metrics_say_who_drains(kferry, broker):
    """The new process answers them as soon as it serves, and it does not drain."""
    waiting = connect(kferry)
    waiting.sendall(request(FETCH, 4))
    assert broker.held.acquire(timeout=10)
    kferry.upgrade()
    assert running(kferry.pids[0])
    wait_for(lambda: get(kferry.port + 3, "/health/ready")[0] == 200, "the new process is ready")
    series = scrape(kferry.port + 3)[1]
    assert series["kferry_draining"] == [({}, 0)]
    broker.released.set()
    assert receive(waiting)
    waiting.close()


def test_systemd_is_told_of_the_new_main_process(tmp_path, broker):
    """The former process says so, and nothing more: the status and the end are those of the unit's main process."""
    with ServiceManager(tmp_path) as manager:
        port = free_port(4)
        env = {**listener_variables(port, f"127.0.0.1:{broker.port}"), "GATEWAY_HTTP_PORT": str(port + 3), **manager.variables()}
        with Upgraded(tmp_path, env, "lame_duck_s = 0") as kferry:
            known(kferry)
            manager.wait(READY="1")
            waiting = connect(kferry)
            waiting.sendall(request(FETCH, 4))
            assert broker.held.acquire(timeout=10)
            new = kferry.upgrade()
            _, before = manager.wait(MAINPID=str(new))
            if not any("READY" in message for message in before):  # of the new process
                manager.wait(READY="1")
            broker.released.set()
            assert receive(waiting)
            waiting.close()
            assert kferry.process.wait(20) == 0
            while (message := manager.next(0.5)) is not None:
                assert "STOPPING" not in message and "draining" not in message.get("STATUS", ""), message
            os.kill(new, signal.SIGINT)
            manager.wait(STOPPING="1")
