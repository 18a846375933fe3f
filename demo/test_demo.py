"""The demonstration from outside: whatever ends it, nothing of it is left; two at once do not meet.

Needs root and the variable KFERRY: the binary, in a build tree that has the mock cluster.
"""

import contextlib
import fcntl
import os
import pathlib
import pty
import re
import signal
import subprocess
import sys
import tempfile
import termios
import threading
import time

import pytest

DEMO = pathlib.Path(__file__).parent / "demo.py"
IN_ACT_2 = r"client\$ kcat -b 10\.77\.1\.1:9092 -P"
IN_ACT_3 = r"gateway\$ kferry run"


class Demo:
    """A running demonstration, leader of its session, with a terminal if it is given one."""

    def __init__(self, *words, terminal=None):
        def take_terminal():
            if terminal is not None:
                fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)

        command = [sys.executable, "-B", DEMO, "--kferry", os.environ["KFERRY"], *words]
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            start_new_session=True, preexec_fn=take_terminal)
        self.pid = self._process.pid
        self._lines, self._changed, self._over = [], threading.Condition(), False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self._process.stdout:
            with self._changed:
                self._lines.append(line.rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._over = True
            self._changed.notify_all()

    def output(self):
        with self._changed:
            return "\n".join(self._lines)

    def wait_for(self, pattern, timeout=60):
        with self._changed:
            self._changed.wait_for(lambda: self._over or re.search(pattern, self.output()), timeout)
            assert re.search(pattern, self.output()), self.output()

    def signal(self, number):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def wait(self, timeout=60):
        code = self._process.wait(timeout)
        self._reader.join(10)
        return code

    def acts(self):
        return re.findall(r"^act (\d) done\b", self.output(), re.MULTILINE)

    def processes(self):
        """What it has begun and not ended: {pid: start time}, which no later process shares."""
        begun = {}
        for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                fields = path.read_text().rpartition(")")[2].split()
                if int(fields[1]) == self.pid:
                    begun[int(path.parent.name)] = fields[19]
        return begun

    def left_behind(self):
        return [*pathlib.Path("/run/netns").glob(f"kf{self.pid}-*"),
                *pathlib.Path(tempfile.gettempdir()).glob(f"kferry-e2e-{self.pid}")]


@pytest.fixture
def start():
    started = []

    def begin(*words, **options):
        started.append(Demo(*words, **options))
        return started[-1]

    yield begin
    for demo in started:
        demo.signal(signal.SIGTERM)
        demo.wait()


def alive(processes):
    found = []
    for pid, start_time in processes.items():
        with contextlib.suppress(OSError):
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            if fields[19] == start_time and fields[0] not in "ZX":
                found.append(pid)
    return found


def wait_until_gone(processes, timeout=5):
    deadline = time.monotonic() + timeout
    while alive(processes) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not alive(processes)


@pytest.mark.parametrize("number, times, when, acts", [
    (signal.SIGINT, 3, IN_ACT_2, ["1"]),
    (signal.SIGTERM, 1, IN_ACT_3, ["1", "2"]),
])
def test_an_interrupted_demo_leaves_nothing(start, number, times, when, acts):
    demo = start()
    demo.wait_for(when)
    begun = demo.processes()
    assert len(begun) > len(acts), "the brokers, the plain proxy, kferry in act 3, and often the client"
    for _ in range(times):
        demo.signal(number)
    assert demo.wait(15) == 128 + number
    assert not demo.left_behind() and not alive(begun), demo.output()
    assert demo.acts() == acts and "Traceback" not in demo.output(), demo.output()


def test_killed_then_two_at_once_of_which_one_stays(start):
    killed = start()
    killed.wait_for(IN_ACT_2)
    begun = killed.processes()
    killed.signal(signal.SIGKILL)
    killed.wait()
    wait_until_gone(begun)
    assert killed.left_behind(), "this test is about what a killed demo cannot remove"

    master, slave = pty.openpty()
    kept = start("--keep", terminal=slave)
    other = start()
    assert other.wait() == 0 and other.acts() == ["1", "2", "3"], other.output()
    kept.wait_for("ends it")
    assert kept.acts() == ["1", "2", "3"], kept.output()
    assert not killed.left_behind() and not other.left_behind()

    lines = re.findall(r"^\s*\$ (.*ip netns exec .*)$", kept.output(), re.MULTILINE)
    shown, consumed = [subprocess.check_output(["bash", "-c", line], text=True) for line in lines]
    assert len(re.findall(r"broker [123] at 10\.77\.1\.1:\d+", shown)) == 3, shown
    assert len(re.findall(r"partition [012], offset \d+, \d+ octets", consumed)) == 3, consumed
    begun = kept.processes()
    os.write(master, b"\n")
    assert kept.wait(15) == 0, kept.output()
    assert not kept.left_behind() and not alive(begun)
    os.close(master)
    os.close(slave)
