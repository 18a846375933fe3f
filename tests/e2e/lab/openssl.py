"""`openssl s_client` and `openssl s_server` as Kafka's clients and brokers: somebody else's TLS, told what to do.

Both show what they receive as text: the Kafka frames that go either way hold a line of their own.
"""

import re
import struct

from . import wire
from .processes import Died, Process

_MARK = "kf!"
# ApiVersions v0, whose answer begins with a correlation id that ends a line, and whose client id does.
_CORRELATION = struct.unpack("!i", f"{_MARK}\n".encode())[0]
QUESTION = wire.request(wire.API_VERSIONS, 0, _CORRELATION, client_id=f"{_MARK}\n")


class Conversation:
    """What s_client said of one connection, on which it asked one question; over when made."""

    def __init__(self, network, scratch, where, *words, source=None, timeout=20):
        path = scratch / f"s_client-{where[1]}.log"
        command = ["openssl", "s_client", "-connect", f"{where[0]}:{where[1]}", *words]
        command += ["-bind", source] if source else []
        process = Process(command, path, network.clients, stdin=True)
        try:
            process.stdin.write(QUESTION)
            process.stdin.flush()
        except BrokenPipeError:
            pass
        try:
            process.wait_for_line(rf"{_MARK}$", timeout)
            self.answered = True
        except Died:
            self.answered = False
        try:
            process.stdin.close()
        except BrokenPipeError:
            pass
        self.code = process.wait(10)
        process.kill()
        self.output = "\n".join(process.lines())

    def _find(self, pattern):
        found = re.search(pattern, self.output, re.M)
        return found[1] if found else None

    @property
    def version(self):
        return self._find(r"^(?:New|Reused), (\S+), Cipher is") if self.cipher != "(NONE)" else None

    @property
    def cipher(self):
        return self._find(r"^(?:New|Reused), .*Cipher is (\S+)")

    @property
    def protocol(self):
        return self._find(r"^\s*Protocol\s*: (\S+)") or self.version

    @property
    def curve(self):
        found = self._find(r"^Server Temp Key: (?:ECDH, )?([\w-]+)")
        return {"prime256v1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}.get(found, found)

    @property
    def resumed(self):
        return "\nReused, " in self.output

    @property
    def alert(self):
        """The number of the alert that came, or None."""
        found = self._find(r"SSL alert number (\d+)")
        return int(found) if found else None


class Server:
    """A broker that completes handshakes and never answers."""

    def __init__(self, network, scratch, where, certificate, *words):
        self.address = f"{where[0]}:{where[1]}"
        path = scratch / f"s_server-{where[0]}-{where[1]}.log"
        command = ["openssl", "s_server", "-accept", self.address, "-cert", certificate.certificate]
        self.process = Process([*command, "-key", certificate.key, *words], path, network.brokers, stdin=True)

    def ready(self):
        self.process.wait_for_line("^ACCEPT", 20)
        return self

    def wait_for_question(self, count=1):
        """Until so many clients' frames have come through; what s_server has said up to then."""
        self.process.wait_for_line(rf"{_MARK}$", 20, count=2 * count)
        return "\n".join(self.process.lines())

    def close(self):
        self.process.kill()
