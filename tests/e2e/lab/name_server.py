"""DNS for processes of the laboratory: a server on loopback of each namespace, and a launcher whose command asks it."""

import contextlib
import socket
import struct
import threading

ADDRESS = "127.0.0.1"
TTL = 1  # seconds


class NameServer:
    """Answers A for its names, which may lead elsewhere at any time; other types have no records, other names exist not."""

    def __init__(self, namespaces, directory):
        self._addresses = {}
        self._sockets = []
        for namespace in namespaces:
            server = namespace.socket(socket.AF_INET, socket.SOCK_DGRAM)
            server.bind((ADDRESS, 53))
            self._sockets.append(server)
            threading.Thread(target=self._serve, args=(server,), daemon=True).start()
        self._configuration = directory / "resolv.conf"
        self._configuration.write_text(f"nameserver {ADDRESS}\noptions timeout:1 attempts:2\n")

    def set(self, name, addresses):
        self._addresses = {**self._addresses, name: list(addresses)}

    def launcher(self):
        """A command that becomes what follows it by exec, in a mount namespace where names come from here."""
        bind_and_become = 'mount --bind "$0" /etc/resolv.conf && exec "$@"'
        return ["unshare", "--mount", "sh", "-c", bind_and_become, str(self._configuration)]

    def _serve(self, server):
        while True:
            try:
                question, sender = server.recvfrom(512)
            except OSError:
                return
            if not question:  # it was shut down
                return
            server.sendto(self._answer(question), sender)

    def _answer(self, question):
        labels, at = [], 12
        while question[at]:
            labels.append(question[at + 1 : at + 1 + question[at]].decode())
            at += 1 + question[at]
        kind = struct.unpack_from("!H", question, at + 1)[0]
        addresses = self._addresses.get(".".join(labels).lower())
        found = addresses if addresses and kind == 1 else []
        records = b"".join(
            struct.pack("!HHHIH", 0xC00C, 1, 1, TTL, 4) + socket.inet_aton(address) for address in found
        )
        code = 3 if addresses is None else 0  # NXDOMAIN
        return question[:2] + struct.pack("!HHHHH", 0x8580 | code, 1, len(found), 0, 0) + question[12 : at + 5] + records

    def close(self):
        for server in self._sockets:
            with contextlib.suppress(OSError):  # not connected: it wakes the thread all the same
                server.shutdown(socket.SHUT_RDWR)
            server.close()
