"""Says what is being done and how far it is; runs commands quietly, with their output kept in build/logs."""

import os
import pathlib
import signal
import subprocess
import sys
import time

CHECKOUT = pathlib.Path(__file__).resolve().parent.parent
BUILD = CHECKOUT / "build"
LOGS = BUILD / "logs"
TAIL_LINES = 40


class Failure(Exception):
    """A step that failed. The text is for the operator; the end of `log` is shown."""

    def __init__(self, text, log=None):
        super().__init__(text)
        self.log = log


def say(text, **options):
    print(text, flush=True, **options)


def show_tail(log, lines=TAIL_LINES):
    text = log.read_text(errors="replace").splitlines() if log and log.exists() else []
    for line in text[-lines:]:
        say(f"    {line[:400]}")
    if log:
        say(f"    the whole log: {log.relative_to(CHECKOUT)}")


def logged(log_name, command, environment=None, timeout_s=900, directory=CHECKOUT, may_fail=False):
    """Runs `command`, appending its output to build/logs/<log_name>.log. Returns (exit status, its output).

    A command that fails, or exceeds its time, is a Failure unless `may_fail`. It leads its own process group,
    which ends with it, so nothing that it started outlives a time-out.
    """
    LOGS.mkdir(parents=True, exist_ok=True)
    log = LOGS / f"{log_name}.log"
    command = [str(word) for word in command]
    with open(log, "ab") as out:
        out.write(f"$ {' '.join(command)}\n".encode())
        out.flush()
        start = out.tell()
        try:
            process = subprocess.Popen(command, cwd=directory, stdin=subprocess.DEVNULL, stdout=out,
                                       stderr=subprocess.STDOUT, env={**os.environ, **(environment or {})},
                                       start_new_session=True)
        except FileNotFoundError as missing:
            raise Failure(f"{missing.filename} is missing: a program of this checkout's is built by an earlier step"
                          " (./dev test --list)", log) from None
        late = False
        try:
            process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            late = True
            end_group(process)
        except BaseException:
            end_group(process)
            raise
    with open(log, "rb") as written:
        written.seek(start)
        output = written.read().decode(errors="replace")
    if late:
        raise Failure(f"{pathlib.Path(command[0]).name} was not done after {timeout_s} s", log)
    if process.returncode != 0 and not may_fail:
        raise Failure(f"{pathlib.Path(command[0]).name} ended with status {process.returncode}", log)
    return process.returncode, output


def end_group(process):
    """Asks first, so that a test can clean up; then insists."""
    for number, patience_s in ((signal.SIGTERM, 20), (signal.SIGKILL, 5)):
        try:
            os.killpg(process.pid, number)
            process.wait(patience_s)
            return
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


class Progress:
    """Numbered steps with times: `[3/9] what`, then its outcome on the same line."""

    def __init__(self, total):
        self.total, self.number, self.start = total, 0, time.monotonic()

    def begin(self, title):
        self.number += 1
        self.step_start = time.monotonic()
        say(f"[{self.number}/{self.total}] {title} … ", end="" if sys.stdout.isatty() else "\n")

    def end(self, outcome):
        now = time.monotonic()
        say(f"      {outcome} ({now - self.step_start:.0f} s, {clock(now - self.start)} in all)")


def clock(seconds):
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
