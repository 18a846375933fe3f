"""Kafka frames by hand, for a client that is not one: ApiVersions v0, and a record batch to partition 0 and back by
Produce v7 and Fetch v4. Fields as in Kafka's own message definitions."""

import struct

CLIENT = b"guest"
PATIENCE_MS = 30_000
# A batch's header (magic 2), after which the mock broker looks at nothing: records that are none will do.
BATCH = struct.Struct(">qiibIhiqqqhii")


def text(word):
    return struct.pack(">h", len(word)) + word.encode()


def request(key, version, correlation, body):
    data = struct.pack(">hhih", key, version, correlation, len(CLIENT)) + CLIENT + body
    return struct.pack(">i", len(data)) + data


def api_versions(correlation):
    return request(18, 0, correlation, b"")


def one_partition(topic):
    """An array of one topic with an array of one partition, which is 0."""
    return struct.pack(">i", 1) + text(topic) + struct.pack(">ii", 1, 0)


def produce(correlation, topic, data):
    length = BATCH.size - 12 + len(data)
    batch = BATCH.pack(0, length, -1, 2, 0, 0, 0, 0, 0, -1, -1, -1, 1) + data
    body = struct.pack(">hhi", -1, -1, PATIENCE_MS) + one_partition(topic) + struct.pack(">i", len(batch)) + batch
    return request(0, 7, correlation, body)


def produced(answer):
    """The offset."""
    _, error, offset = struct.unpack_from(">ihq", answer, 4 + 2 + length_of_text(answer, 4) + 4)
    if error:
        raise ValueError(f"Produce was answered by error {error}")
    return offset


def fetch(correlation, topic, offset, size):
    room = 2 * BATCH.size + size
    body = struct.pack(">iiiib", -1, PATIENCE_MS, 1, room, 0) + one_partition(topic) + struct.pack(">qi", offset, room)
    return request(1, 4, correlation, body)


def fetched(answer):
    """What produce() was given."""
    at = 8 + 2 + length_of_text(answer, 8) + 4
    _, error, _, _, aborted = struct.unpack_from(">ihqqi", answer, at)
    if error or aborted > 0:
        raise ValueError(f"Fetch was answered by error {error}")
    (size,) = struct.unpack_from(">i", answer, at + 26)
    return answer[at + 30:at + 30 + size][BATCH.size:]


def length_of_text(answer, at):
    return struct.unpack_from(">h", answer, at)[0]
