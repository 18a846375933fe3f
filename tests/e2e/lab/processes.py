"""Processes of the laboratory: each in its own process group, inside a namespace, with its output in a file that
can be waited for line by line."""

import os
import re
import shutil
import signal
import subprocess
import threading
import time

from . import cleanup

_SETPRIV = shutil.which("setpriv") or "setpriv"


class Died(AssertionError):
    """A process ended before what was waited for."""


TERMINATE = signal.SIGTERM  # by its name here: the class has a method called signal


class Process:
    """A running command. Start it on the main thread: it is killed when the starting thread ends.

    Output (both streams unless `split`) is copied to `log_path` by a thread of its own and kept as lines.
    """

    def __init__(self, command, log_path, namespace=None, environment=None, stdin=None, directory=None):
        self.command = [str(word) for word in command]
        self.log_path = log_path
        self.name = log_path.stem
        prefix = namespace.enter_command() if namespace else []
        self._lines = []
        self._changed = threading.Condition()
        self._ended = False
        self._process = subprocess.Popen(
            [_SETPRIV, "--pdeathsig", "KILL", *prefix, *self.command],
            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=directory,
            start_new_session=True,
        )
        self.stdin = self._process.stdin
        self._forget = cleanup.register(self.kill)
        self._reader = threading.Thread(target=self._read, name=f"log-{self.name}", daemon=True)
        self._reader.start()

    def _read(self):
        with open(self.log_path, "ab", buffering=0) as file:
            for line in self._process.stdout:
                file.write(line)
                with self._changed:
                    self._lines.append(line.decode("utf-8", "replace").rstrip("\n"))
                    self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    @property
    def pid(self):
        return self._process.pid

    def mark(self):
        """A place in the output, for `lines` and `wait_for_line`."""
        with self._changed:
            return len(self._lines)

    def lines(self, since=0):
        with self._changed:
            return self._lines[since:]

    def wait_for_line(self, pattern, timeout, since=0, count=1):
        """The `count`-th line that matches, as a match; fails when the process ends or time is over."""
        expression = re.compile(pattern)
        deadline = time.monotonic() + timeout
        position, found = since, 0
        with self._changed:
            while True:
                while position < len(self._lines):
                    match = expression.search(self._lines[position])
                    position += 1
                    if match:
                        found += 1
                        if found == count:
                            return match
                if self._ended:
                    raise Died(f"{self.name} ended without a line {pattern!r}; its last words:\n{self._tail()}")
                left = deadline - time.monotonic()
                if left <= 0:
                    raise AssertionError(f"{self.name}: no line {pattern!r} in {timeout} s:\n{self._tail()}")
                self._changed.wait(left)

    def _tail(self, count=25):
        return "\n".join(self._lines[-count:])

    def running(self):
        return self._process.poll() is None

    def code(self):
        """How it ended, as `wait`; None while it runs."""
        return self._process.poll()

    def signal(self, number):
        if self.running():
            os.killpg(self._process.pid, number)

    def wait(self, timeout):
        """The exit code; None if it still runs."""
        try:
            code = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None
        self._finish()
        return code

    def _finish(self):
        self._reader.join(5)
        self._forget()

    def kill(self):
        """Ends the group at once, as `kill -9`, and returns when it is gone."""
        if self._process.returncode is None:
            try:
                os.killpg(self._process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            self._process.wait()
        self._reader.join(5)

    def stop(self, timeout, by=TERMINATE):
        """Asks it to end, then insists. The exit code."""
        self.signal(by)
        code = self.wait(timeout)
        if code is None:
            self.kill()
            self._forget()
        return code


class Result:
    """A finished command: exit code and output."""

    def __init__(self, command, code, output):
        self.command, self.code, self.output = command, code, output

    def __str__(self):
        return f"$ {' '.join(map(str, self.command))}\n{self.output}\nexit {self.code}"


def run(command, log_path, namespace=None, environment=None, timeout=60, stdin=None, directory=None):
    """Runs a command to its end and returns its Result; it fails when time is over."""
    process = Process(command, log_path, namespace, environment, stdin=stdin is not None, directory=directory)
    if stdin is not None:
        try:
            process.stdin.write(stdin if isinstance(stdin, bytes) else stdin.encode())
            process.stdin.close()
        except BrokenPipeError:
            pass
    code = process.wait(timeout)
    if code is None:
        output = "\n".join(process.lines())
        process.kill()
        raise AssertionError(f"still running after {timeout} s: {' '.join(process.command)}\n{output[-4000:]}")
    return Result(process.command, code, "\n".join(process.lines()))


def becomes(condition, timeout=30):
    """Whether the condition holds in time: for what shows itself to those alone who look."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
