"""Becomes another program that may not use io_uring: without_io_uring.py ERRNO COMMAND [WORD]...

A seccomp filter answers the three system calls with that error, as container engines' profiles do (EPERM), or as a
kernel without them would (ENOSYS).
"""

import ctypes
import errno
import os
import platform
import struct
import sys

_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _MODE_FILTER = 38, 22, 2
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
# io_uring_setup, _enter, _register have the same numbers on every architecture.
_FIRST, _LAST = 425, 427
_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}


def _forbid(error):
    program = [
        (0x20, 0, 0, 4),  # architecture
        (0x15, 0, 4, _ARCHITECTURES[platform.machine()]),
        (0x20, 0, 0, 0),  # number
        (0x35, 0, 2, _FIRST),
        (0x25, 1, 0, _LAST),
        (0x06, 0, 0, _ERRNO | error),
        (0x06, 0, 0, _ALLOW),
    ]
    code = b"".join(struct.pack("HBBI", *line) for line in program)
    memory = ctypes.create_string_buffer(code, len(code))
    filter_program = ctypes.create_string_buffer(struct.pack("HP", len(program), ctypes.addressof(memory)))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, filter_program, 0, 0):
        sys.exit(f"seccomp: {os.strerror(ctypes.get_errno())}")


if __name__ == "__main__":
    _forbid(getattr(errno, sys.argv[1]))
    os.execv(sys.argv[2], sys.argv[2:])
