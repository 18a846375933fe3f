"""A network namespace of the run's own, so that the congestion control of its TCP can be chosen without changing the
host's. It matters on loopback, too: BBR without fq paces by timers of the kernel, which cost the sender.
"""

import ctypes
import os
import subprocess
from pathlib import Path

from processes import BenchError

CLONE_NEWNET = 0x40000000
SETTINGS = Path("/proc/sys/net/ipv4")


def congestion_control():
    return (SETTINGS / "tcp_congestion_control").read_text().strip()


def another(host):
    """The congestion control to set beside the host's: BBR, where the host's is not that, else one that does not pace;
    None: the host has no other."""
    available = (SETTINGS / "tcp_available_congestion_control").read_text().split()
    wanted = ["cubic", "reno"] if host.startswith("bbr") else ["bbr"]
    return next((name for name in wanted if name in available), None)


def enter(algorithm):
    """This process, and all it starts, from now on."""
    allowed = (SETTINGS / "tcp_allowed_congestion_control").read_text().split()
    if algorithm not in allowed:
        raise BenchError(f"--congestion {algorithm}: a namespace may have {', '.join(allowed)} "
                         "(net.ipv4.tcp_allowed_congestion_control of the host)")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET) != 0:
        raise BenchError(f"--congestion needs a network namespace: {os.strerror(ctypes.get_errno())}: run it as root")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    (SETTINGS / "tcp_congestion_control").write_text(algorithm)
