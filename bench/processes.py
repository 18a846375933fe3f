"""Starts what a benchmark needs, each on its core, and reads from /proc what it used. Nothing outlives the run."""

import ctypes
import os
import signal
import subprocess
from pathlib import Path

PR_SET_PDEATHSIG = 1
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_libc = ctypes.CDLL(None, use_errno=True)


class BenchError(Exception):
    """The run has no figure; the message says why."""


def start(command, cores, **options):
    """Popen on one core, or a set of them; the child dies with this process, however that ends."""
    def before_exec():
        os.sched_setaffinity(0, {cores} if isinstance(cores, int) else cores)
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    return subprocess.Popen([str(part) for part in command], preexec_fn=before_exec, **options)


def stop(process):
    if process is None or process.poll() is not None:
        return
    process.kill()
    process.wait()


def family(pid):
    """The process and its descendants."""
    pids = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            pids += family(int(child))
    return pids


def cpu_seconds(pids):
    """CPU of all threads of the processes and their descendants, user and system.

    schedstat counts nanoseconds of the threads that live now; stat counts ticks and keeps those that ended, so it
    speaks up when a thread came and went.
    """
    precise = ticks = 0
    for member in [member for pid in pids for member in family(pid)]:
        for task in Path(f"/proc/{member}/task").iterdir():
            try:
                precise += int((task / "schedstat").read_text().split()[0])
            except (FileNotFoundError, ProcessLookupError):
                pass
        fields = Path(f"/proc/{member}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return precise / 1e9, ticks / TICKS_PER_SECOND


def cpu_between(before, after):
    precise, ticks = (b - a for a, b in zip(before, after))
    return ticks if ticks > precise + 0.05 else precise


def busy_seconds():
    """CPU the whole machine has spent on anything."""
    user, nice, system, _, _, irq, softirq, steal = Path("/proc/stat").read_text().split()[1:9]
    # What a hypervisor gave to others is lost to us as if another process had it.
    return sum(map(int, (user, nice, system, irq, softirq, steal))) / TICKS_PER_SECOND


def memory_bytes(pids):
    """{'rss': resident, 'private': private and dirty} of the processes and their descendants."""
    sums = {"rss": 0, "private": 0}
    names = {"Rss": "rss", "Private_Dirty": "private"}
    for member in [member for pid in pids for member in family(pid)]:
        for line in Path(f"/proc/{member}/smaps_rollup").read_text().splitlines()[1:]:
            name, value = line.split(":")
            if name in names:
                sums[names[name]] += int(value.split()[0]) * 1024
    return sums


def machine():
    """What the figures were measured on."""
    model = "unknown"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    total_kb = int(Path("/proc/meminfo").read_text().split()[1])
    return {"cpu": model, "cores": len(os.sched_getaffinity(0)), "kernel": os.uname().release,
            "memory_gb": round(total_kb / 2**20, 1), "load_before": os.getloadavg()[0]}


def usable_cores():
    return sorted(os.sched_getaffinity(0))
