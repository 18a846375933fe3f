"""Three network namespaces, as `__init__` draws them, and sockets inside them.

The clients' default route leads to the middle, which forwards nothing: what a client sends anywhere else ends
there, yet is sent and can be seen.
"""

import concurrent.futures
import ctypes
import os
import socket
import subprocess

from . import cleanup

CLIENT = "10.77.1.2"
MIDDLE_TO_CLIENTS = "10.77.1.1"
MIDDLE_TO_BROKERS = "10.77.2.1"
_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def broker_address(number):
    """The address of the broker with this place in the laboratory, 0 and up."""
    return f"10.77.2.{10 + number}"


class Namespace:
    """One network namespace. Sockets made here by `socket` stay in it, whatever thread uses them."""

    def __init__(self, role):
        self.name = f"kf{os.getpid()}-{role}"
        # Registered first: a signal may come as soon as it exists.
        self._delete = cleanup.register(lambda: cleanup.delete_namespace(self.name))
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        self._inside = concurrent.futures.ThreadPoolExecutor(
            1, thread_name_prefix=self.name, initializer=self._enter
        )
        self.ip("link", "set", "lo", "up")

    def _enter(self):
        descriptor = os.open(f"/run/netns/{self.name}", os.O_RDONLY)
        try:
            if _libc.setns(descriptor, _CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), f"cannot enter {self.name}; the tests run as root")
        finally:
            os.close(descriptor)

    def ip(self, *words):
        subprocess.run(["ip", "-n", self.name, *words], check=True)

    def sysctl(self, key, value):
        def write():
            with open(f"/proc/sys/{key.replace('.', '/')}", "w", encoding="ascii") as file:
                file.write(value)

        self._inside.submit(write).result()

    def socket(self, *arguments):
        return self._inside.submit(socket.socket, *(arguments or (socket.AF_INET, socket.SOCK_STREAM))).result()

    def connect(self, address, timeout=10):
        """A TCP connection from inside to (host, port)."""
        made = self.socket()
        made.settimeout(timeout)
        try:
            made.connect(address)
        except OSError:
            made.close()
            raise
        return made

    def listen(self, address):
        """A listening TCP socket inside."""
        made = self.socket()
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
        made.listen(128)
        return made

    def enter_command(self):
        return ["nsenter", f"--net=/run/netns/{self.name}"]

    def delete(self):
        self._inside.shutdown()
        self._delete()


class Network:
    """The namespaces `clients`, `middle` and `brokers`, with a wire from the middle to either side."""

    def __init__(self):
        self.clients = Namespace("clients")
        self.middle = Namespace("middle")
        self.brokers = Namespace("brokers")
        self._wire(self.clients, CLIENT, self.middle, "to-clients", MIDDLE_TO_CLIENTS)
        self._wire(self.brokers, broker_address(0), self.middle, "to-brokers", MIDDLE_TO_BROKERS)
        for number in range(1, 10):
            self.brokers.ip("address", "add", f"{broker_address(number)}/24", "dev", "eth0")
        self.middle.sysctl("net.ipv4.ip_forward", "0")
        self.clients.ip("route", "add", "default", "via", MIDDLE_TO_CLIENTS)

    @staticmethod
    def _wire(outer, outer_address, middle, name, middle_address):
        middle.ip("link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", outer.name)
        outer.ip("address", "add", f"{outer_address}/24", "dev", "eth0")
        middle.ip("address", "add", f"{middle_address}/24", "dev", name)
        outer.ip("link", "set", "eth0", "up")
        middle.ip("link", "set", name, "up")

    def delete(self):
        for namespace in (self.clients, self.middle, self.brokers):
            namespace.delete()
