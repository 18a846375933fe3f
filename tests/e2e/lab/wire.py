"""Just enough of Kafka's protocol for raw clients and scripted brokers: old, inflexible versions only."""

import collections
import struct

PRODUCE, FETCH, METADATA, FIND_COORDINATOR, SASL_HANDSHAKE, API_VERSIONS = 0, 1, 3, 10, 17, 18
DESCRIBE_LOG_DIRS, SASL_AUTHENTICATE = 35, 36

_FRAME_SIZE_MAX = 100 << 20  # socket.request.max.bytes

Request = collections.namedtuple("Request", "key version correlation_id client_id")


def string(text):
    """A nullable string."""
    return struct.pack("!h", -1) if text is None else struct.pack("!h", len(text.encode())) + text.encode()


def frame(payload):
    return struct.pack("!i", len(payload)) + payload


def bytes_field(value):
    """Bytes with their length."""
    return struct.pack("!i", len(value)) + value


def request(key, version, correlation_id, body=b"", client_id="raw"):
    return frame(struct.pack("!hhi", key, version, correlation_id) + string(client_id) + body)


def response(correlation_id, body):
    return frame(struct.pack("!i", correlation_id) + body)


def parse_request(payload):
    key, version, correlation_id, size = struct.unpack_from("!hhih", payload)
    return Request(key, version, correlation_id, payload[10 : 10 + size].decode() if size >= 0 else None)


def api_versions_request(correlation_id):
    return request(API_VERSIONS, 0, correlation_id)


def api_versions_body(ranges):
    """The v0 answer: {key: (min, max)}."""
    entries = b"".join(struct.pack("!hhh", key, low, high) for key, (low, high) in ranges.items())
    return struct.pack("!hi", 0, len(ranges)) + entries


def metadata_request(correlation_id, version=2):
    """For no topic: an empty array from version 1."""
    return request(METADATA, version, correlation_id, struct.pack("!i", 0))


def metadata_body(brokers, cluster_id="fake", controller=1):
    """The v2 answer without topics: brokers as (id, host, port)."""
    entries = b"".join(
        struct.pack("!i", node_id) + string(host) + struct.pack("!i", port) + string(None)
        for node_id, host, port in brokers
    )
    return struct.pack("!i", len(brokers)) + entries + string(cluster_id) + struct.pack("!ii", controller, 0)


def parse_metadata(body):
    """The brokers of a v2 answer, as (id, host, port)."""
    (count,) = struct.unpack_from("!i", body)
    at, brokers = 4, []
    for _ in range(count):
        node_id, size = struct.unpack_from("!ih", body, at)
        host = body[at + 6 : at + 6 + size].decode()
        at += 6 + size
        port, rack = struct.unpack_from("!ih", body, at)
        at += 6 + max(rack, 0)
        brokers.append((node_id, host, port))
    return brokers


def find_coordinator_request(correlation_id, group):
    return request(FIND_COORDINATOR, 0, correlation_id, string(group))


def parse_find_coordinator(body):
    """(error, id, host, port) of a v0 answer."""
    error, node_id, size = struct.unpack_from("!hih", body)
    return error, node_id, body[8 : 8 + size].decode(), struct.unpack_from("!i", body, 8 + size)[0]


def log_dirs_request(correlation_id):
    """For every topic. The answer names the directories of the broker that gives it."""
    return request(DESCRIBE_LOG_DIRS, 1, correlation_id, struct.pack("!i", -1))


def log_in(connection, user, password):
    """SASL PLAIN, as today's clients do it."""
    assert ask(connection, request(SASL_HANDSHAKE, 1, 1, string("PLAIN")))[1][:2] == b"\0\0"
    token = f"\0{user}\0{password}".encode()
    answer = ask(connection, request(SASL_AUTHENTICATE, 0, 2, bytes_field(token)))
    assert answer and answer[1][:2] == b"\0\0", answer


def log_in_with_raw_tokens(connection, user, password):
    """SASL PLAIN after SaslHandshake v0: the token has a length and no header; so has the empty answer."""
    assert ask(connection, request(SASL_HANDSHAKE, 0, 1, string("PLAIN")))[1][:2] == b"\0\0"
    connection.sendall(bytes_field(f"\0{user}\0{password}".encode()))
    assert receive_frame(connection) == b""


def receive_exactly(connection, size):
    """`size` bytes, or None when the other side closed or reset before."""
    received = b""
    while len(received) < size:
        try:
            piece = connection.recv(size - len(received))
        except ConnectionError:
            return None
        if not piece:
            return None
        received += piece
    return received


def receive_frame(connection):
    """The next frame's payload; None at the end, and at a size that no broker takes."""
    size = receive_exactly(connection, 4)
    if size is None or not 0 <= struct.unpack("!i", size)[0] <= _FRAME_SIZE_MAX:
        return None
    return receive_exactly(connection, struct.unpack("!i", size)[0])


def is_over(connection):
    """Waits for more; whether the other side closed or reset instead (`connection` has a time-out)."""
    return receive_exactly(connection, 1) is None


def ask(connection, message):
    """Sends a request and returns (correlation id, body) of what comes; None at the end."""
    try:
        connection.sendall(message)
    except ConnectionError:
        return None
    payload = receive_frame(connection)
    return (struct.unpack_from("!i", payload)[0], payload[4:]) if payload is not None else None
