"""Three network namespaces, as `__init__` draws them, and sockets inside them.

The clients' default route leads to the middle, which forwards nothing: what a client sends anywhere else ends
there, yet is sent and can be seen.
"""

import concurrent.futures
import ctypes
import os
import re
import socket
import subprocess

from . import cleanup

CLIENT = "10.77.1.2"
MIDDLE_TO_CLIENTS = "10.77.1.1"
MIDDLE_TO_BROKERS = "10.77.2.1"
CLIENT_6, MIDDLE_TO_CLIENTS_6 = "fd77:1::2", "fd77:1::1"
BROKER_6, MIDDLE_TO_BROKERS_6 = "fd77:2::10", "fd77:2::1"
_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def broker_address(number):
    """The address of the broker with this place in the laboratory, 0 and up."""
    return f"10.77.2.{10 + number}"


def _name_servers():
    with open("/etc/resolv.conf", encoding="utf-8") as file:
        found = re.findall(r"^\s*nameserver\s+(\d+\.\d+\.\d+\.\d+)", file.read(), re.M)
    return {address for address in found if not address.startswith("127.")}


def _family(address):
    return socket.AF_INET6 if ":" in address[0] else socket.AF_INET


class Namespace:
    """One network namespace. Sockets made here by `socket` stay in it, whatever thread uses them."""

    def __init__(self, role):
        self.name = f"kf{os.getpid()}-{role}"
        # Registered first: a signal may come as soon as it exists.
        self._delete = cleanup.register(lambda: cleanup.delete_namespace(self.name))
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        self._inside = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix=self.name, initializer=self._enter)
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

    def connect(self, address, timeout=10, source=None):
        """A TCP connection from inside to (host, port), from the address `source` if one is given."""
        made = self.socket(_family(address), socket.SOCK_STREAM)
        made.settimeout(timeout)
        try:
            if source:
                made.bind((source, 0))
            made.connect(address)
        except OSError:
            made.close()
            raise
        return made

    def listen(self, address, backlog=128):
        """A listening TCP socket inside."""
        made = self.socket(_family(address), socket.SOCK_STREAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
        made.listen(backlog)
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
        self._wire(
            self.clients, (CLIENT, CLIENT_6), self.middle, "to-clients", (MIDDLE_TO_CLIENTS, MIDDLE_TO_CLIENTS_6)
        )
        self._wire(
            self.brokers,
            (broker_address(0), BROKER_6),
            self.middle,
            "to-brokers",
            (MIDDLE_TO_BROKERS, MIDDLE_TO_BROKERS_6),
        )
        for number in range(1, 20):
            self._add(self.brokers, "eth0", broker_address(number))
        self._more_clients = iter(range(10, 250))
        self.middle.sysctl("net.ipv4.ip_forward", "0")
        self.clients.ip("route", "add", "default", "via", MIDDLE_TO_CLIENTS)
        # Java asks DNS for the name of every SASL server's address: refused at once instead of lost on that route.
        for address in _name_servers():
            self.clients.ip("route", "add", "unreachable", address)

    def another_client(self):
        """A fresh address of the clients' namespace: what kferry limits per client is counted afresh for it."""
        address = f"10.77.1.{next(self._more_clients)}"
        self._add(self.clients, "eth0", address)
        return address

    @staticmethod
    def _add(namespace, device, address):
        if ":" in address:
            namespace.ip("address", "add", f"{address}/64", "dev", device, "nodad")
        else:
            namespace.ip("address", "add", f"{address}/24", "dev", device)

    def _wire(self, outer, outer_addresses, middle, name, middle_addresses):
        middle.ip("link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", outer.name)
        for address in outer_addresses:
            self._add(outer, "eth0", address)
        for address in middle_addresses:
            self._add(middle, name, address)
        outer.ip("link", "set", "eth0", "up")
        middle.ip("link", "set", name, "up")

    def delete(self):
        for namespace in (self.clients, self.middle, self.brokers):
            namespace.delete()
