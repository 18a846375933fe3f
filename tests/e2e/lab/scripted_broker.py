"""Brokers that misbehave on command, in the brokers' namespace.

To kferry's own discovery each is an honest broker that lists itself. To clients it does what its script says, and
what the script leaves out it does well.
"""

import socket
import struct
import threading

from . import wire

OWN = "kferry-"  # begins the client id of each question of kferry's own: discovery, health
SILENCE, CLOSE, RESET = "silence", "close", "reset"


def close_with_reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


class ScriptedBroker:
    """Serves each connection on a thread of its own until closed.

    script: {API key: function of a wire.Request that returns the bytes of an answer (wire.response), SILENCE, CLOSE
    or RESET; a list is done in order}. `asked` lists the keys of clients' requests, `accepted` counts connections but
    for those by which kferry itself asks.
    """

    CLUSTER_ID = "scripted"

    def __init__(self, namespace, host, port, node_id=0):
        self.host, self.port, self.node_id = host, port, node_id
        self.script, self.asked, self.accepted = {}, [], 0
        self._open, self._own, self._lock = set(), set(), threading.Lock()
        self._listening = namespace.listen((host, port))
        threading.Thread(target=self._accept, name=f"scripted-{port}", daemon=True).start()

    def address(self):
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def metadata_body(self):
        """The truth: this broker alone."""
        return wire.metadata_body([(self.node_id, self.host, self.port)], self.CLUSTER_ID, self.node_id)

    def _accept(self):
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return  # closed
            with self._lock:
                self._open.add(connection)
                self.accepted += 1
            threading.Thread(target=self._serve, args=(connection,), name="scripted", daemon=True).start()

    def _serve(self, connection):
        try:
            while self._answer(connection, wire.receive_frame(connection)):
                pass
        except OSError:
            pass  # the other side is gone
        finally:
            with self._lock:
                self._open.discard(connection)
                self._own.discard(connection)
            connection.close()

    def _answer(self, connection, payload):
        if payload is None:
            return False
        request = wire.parse_request(payload)
        act = self._honest
        if (request.client_id or "").startswith(OWN):
            with self._lock:
                if connection not in self._own:
                    self._own.add(connection)
                    self.accepted -= 1
        else:
            self.asked.append(request.key)
            act = self.script.get(request.key, self._honest)
        acts = act(request)
        for each in acts if isinstance(acts, list) else [acts]:
            if each is RESET:
                close_with_reset(connection)
            if each in (RESET, CLOSE):
                return False
            if each is not SILENCE:
                connection.sendall(each)
        return True

    def _honest(self, request):
        bodies = {
            wire.API_VERSIONS: lambda: wire.api_versions_body({0: (3, 9), 1: (4, 11), 3: (0, 2), 18: (0, 0)}),
            wire.METADATA: self.metadata_body,
        }
        return wire.response(request.correlation_id, bodies[request.key]()) if request.key in bodies else CLOSE

    def stop_listening(self):
        # A thread in accept() keeps the socket: shutdown wakes it.
        try:
            self._listening.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._listening.close()

    def close(self):
        self.stop_listening()
        with self._lock:
            for connection in self._open:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass


class FullBacklog:
    """An address where connects hang: it listens, never accepts, and its backlog is full."""

    def __init__(self, namespace, host, port):
        self._listening = namespace.listen((host, port), backlog=0)
        self._fill = []
        hanging = 0
        while hanging < 3:  # one may be this machine's slowness
            filler = namespace.socket()
            self._fill.append(filler)
            filler.settimeout(0.3)
            try:
                filler.connect((host, port))
            except TimeoutError:
                hanging += 1

    def close(self):
        for each in (*self._fill, self._listening):
            each.close()
