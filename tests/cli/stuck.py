"""A worker that is stuck: one thread of a real kferry, stopped by ptrace while the others run."""
import contextlib
import ctypes
import os
import pathlib

import pytest

SEIZE, INTERRUPT, DETACH = 0x4206, 0x4207, 17
ALL_THREADS = 0x40000000  # __WALL
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long


def worker_thread(process, number=0):
    """The id of that worker's thread."""
    for task in pathlib.Path(f"/proc/{process}/task").iterdir():
        if (task / "comm").read_text().strip() == f"worker {number}":
            return int(task.name)
    raise AssertionError(f"process {process} has no worker {number}")


@contextlib.contextmanager
def stuck_worker(process, number=0):
    """Meanwhile the worker does nothing. kferry is not dumpable, so CAP_SYS_PTRACE is needed."""
    thread = worker_thread(process, number)
    if libc.ptrace(SEIZE, thread, None, None) != 0:
        pytest.skip(f"threads cannot be stopped here: {os.strerror(ctypes.get_errno())}")
    try:
        assert libc.ptrace(INTERRUPT, thread, None, None) == 0
        assert os.waitpid(thread, ALL_THREADS)[0] == thread
        yield
    finally:
        libc.ptrace(DETACH, thread, None, None)
