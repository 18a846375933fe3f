"""What the laboratory made is unmade: at the end, on a failure, on a signal, and, should this process be killed,
by the next run.

Processes die with this one (the kernel's parent-death signal, set by `setpriv`); namespaces and directories
carry this process's id in their names, and those of processes that are gone are removed at start.
"""

import atexit
import contextlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile

_undo = []


def register(action):
    """Runs `action` at exit, last registered first. Returns a function that runs it now, once."""
    entry = [action]
    _undo.append(entry)

    def now():
        if entry in _undo:
            _undo.remove(entry)
            action()

    return now


def _run_all():
    while _undo:
        action = _undo.pop()[0]
        try:
            action()
        except Exception as problem:  # one failure must not keep the rest
            print(f"e2e cleanup: {problem}")


atexit.register(_run_all)


def end_on_signals():
    """A terminated run cleans up like one that ends by itself."""

    def leave(number, _frame):
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGHUP, leave)


def alive(pid):
    try:
        state = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def delete_namespace(name):
    if pathlib.Path("/run/netns", name).exists():
        subprocess.run(["ip", "netns", "delete", name], check=False)


def _end_processes(name):
    """Those in a stale namespace: what a killed run began in the moment it was killed, at most."""
    listed = subprocess.run(["ip", "netns", "pids", name], check=False, stdout=subprocess.PIPE, text=True).stdout
    for pid in map(int, listed.split()):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def remove_stale():
    """Removes the namespaces, their processes and the directories of runs whose process is gone."""
    names = pathlib.Path("/run/netns")
    for path in names.iterdir() if names.is_dir() else []:
        match = re.fullmatch(r"kf(\d+)-(clients|middle|brokers)", path.name)
        if match and not alive(match[1]):
            _end_processes(path.name)
            delete_namespace(path.name)
    for path in pathlib.Path(tempfile.gettempdir()).glob("kferry-e2e-*"):
        match = re.fullmatch(r"kferry-e2e-(\d+)", path.name)
        if match and not alive(match[1]):
            shutil.rmtree(path, ignore_errors=True)


def scratch_directory():
    """This run's directory, removed at the end."""
    path = pathlib.Path(tempfile.gettempdir()) / f"kferry-e2e-{os.getpid()}"
    if not path.exists():
        path.mkdir()
        register(lambda: shutil.rmtree(path, ignore_errors=True))
    return path
