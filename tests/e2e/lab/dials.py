"""Watches every TCP connection that is begun in a namespace, on every interface, loopback included.

A raw socket sees each SYN that leaves. Clients are told numeric addresses, so a leaked address shows here as a
dial; it cannot be reached, but it is tried.
"""

import collections
import ctypes
import ipaddress
import os
import select
import socket
import struct
import threading

_ETH_P_ALL = 3
_SO_ATTACH_FILTER = 26
_ETH_P_IP = 0x0800
_ETH_P_IPV6 = 0x86DD
_PACKET_OUTGOING = 4
_TCP = 6
_FENCE = ("127.0.0.1", 1)


def _dialled(kind, packet):
    """(host, port) if this IP packet begins a TCP connection, else None."""
    if kind == _ETH_P_IP and len(packet) >= 20 and packet[9] == _TCP:
        host, tcp = packet[16:20], packet[(packet[0] & 15) * 4 :]
    elif kind == _ETH_P_IPV6 and len(packet) >= 40 and packet[6] == _TCP:
        host, tcp = packet[24:40], packet[40:]
    else:
        return None
    if len(tcp) < 14 or tcp[13] & 0x12 != 0x02:  # SYN without ACK
        return None
    return str(ipaddress.ip_address(host)), struct.unpack_from("!H", tcp, 2)[0]


class DialWatch:
    """Counts the dials from a namespace by (host, port). `kferrys` holds every address of a kferry of this run."""

    def __init__(self, namespace):
        self._namespace = namespace
        self.kferrys = set()
        self._socket = namespace.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_ALL))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        self._attach_filter()
        self._counts = collections.Counter()
        self._changed = threading.Condition()
        self._wake_read, self._wake_write = os.pipe()
        self._thread = threading.Thread(target=self._watch, name="dial-watch", daemon=True)
        self._thread.start()

    def _attach_filter(self):
        # Only SYNs are wanted: a classic BPF program lets pass IPv4 TCP with SYN and no ACK, and IPv6 TCP whole
        # (next header 6), which no client here uses in volume. Without it a gigabyte of records would overflow
        # the socket and a dial could be missed. SOCK_DGRAM starts at the network header.
        program = [
            (0x30, 0, 0, 0),  # first byte
            (0x54, 0, 0, 0xF0),  # version
            (0x15, 0, 6, 0x40),  # IPv4?
            (0x30, 0, 0, 9),
            (0x15, 0, 7, _TCP),
            (0xB1, 0, 0, 0),  # x = header length
            (0x50, 0, 0, 13),  # TCP flags
            (0x54, 0, 0, 0x12),
            (0x15, 2, 3, 0x02),
            (0x30, 0, 0, 6),  # IPv6: next header
            (0x15, 0, 1, _TCP),
            (0x06, 0, 0, 0xFFFF),
            (0x06, 0, 0, 0),
        ]
        raw = b"".join(struct.pack("HBBI", *line) for line in program)
        memory = ctypes.create_string_buffer(raw, len(raw))
        filter_program = struct.pack("HP", len(program), ctypes.addressof(memory))
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, filter_program)

    def _watch(self):
        while True:
            ready, _, _ = select.select([self._socket, self._wake_read], [], [])
            if self._socket in ready:
                packet, (_, kind, direction, _, _) = self._socket.recvfrom(65536)
                target = _dialled(kind, packet) if direction == _PACKET_OUTGOING else None
                if target:
                    with self._changed:
                        self._counts[target] += 1
                        self._changed.notify_all()
            elif self._wake_read in ready:
                return

    def counts(self):
        """Every dial begun before this call."""
        self._fence()
        with self._changed:
            return collections.Counter(self._counts)

    def _fence(self):
        # Packets are seen in order: once a dial of our own is seen, so are those before it.
        with self._changed:
            before = self._counts[_FENCE]
        mark = self._namespace.socket()
        mark.setblocking(False)
        mark.connect_ex(_FENCE)
        with self._changed:
            seen = self._changed.wait_for(lambda: self._counts[_FENCE] > before, 10)
            self._counts[_FENCE] = 0
            del self._counts[_FENCE]
        mark.close()
        assert seen, "the watch on the clients' dials is blind"

    def wait_for(self, condition, timeout=10):
        """Waits until condition(counts) holds; whether it did."""
        with self._changed:
            return self._changed.wait_for(lambda: condition(self._counts), timeout)

    def close(self):
        os.write(self._wake_write, b"x")
        self._thread.join()
        self._socket.close()
        os.close(self._wake_read)
        os.close(self._wake_write)
