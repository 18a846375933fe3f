"""Kafka frames on blocking sockets, and ports to serve them on. Needs nothing of the other tests: the soak uses it, too."""
import random
import socket
import struct


def free_port(count=3):
    """The first of `count` ports in a row that are free, outside the range of ports that connections take."""
    while True:
        first = random.randrange(20000, 32000)
        taken = [socket.socket() for _ in range(count)]
        try:
            for i, one in enumerate(taken):
                one.bind(("127.0.0.1", first + i))
            return first
        except OSError:
            continue
        finally:
            for one in taken:
                one.close()


def read_exactly(connection, size):
    data = b""
    while len(data) < size:
        part = connection.recv(size - len(data))
        if not part:
            raise EOFError
        data += part
    return data


def receive(connection):
    """A frame without its length."""
    return read_exactly(connection, struct.unpack(">i", read_exactly(connection, 4))[0])


def request(key, version, body=b"", correlation=1, client=b"t"):
    frame = struct.pack(">hhih", key, version, correlation, len(client)) + client + body
    return struct.pack(">i", len(frame)) + frame


def text(value):
    return struct.pack(">h", len(value)) + value.encode()
