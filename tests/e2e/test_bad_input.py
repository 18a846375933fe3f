"""What is not Kafka, or not well, from either side: the connection ends with one line that says what and what to do,
and everything else goes on: the process, a producer that asks for every acknowledgement, an idle old connection.

One kferry serves four clusters: the real one (with the bystanders), a broker that does what a script says, one
that refuses to be dialled and one where dialling hangs.
"""

import random
import re
import ssl
import struct
import time

import pytest

from lab import wire
from lab.driver import Driver
from lab.kferry import Kferry, Listener, Upstream
from lab.namespaces import broker_address
from lab.processes import becomes
from lab.scripted_broker import CLOSE, RESET, SILENCE, FullBacklog, ScriptedBroker

pytestmark = pytest.mark.quick

PORT = 9092
FIRST_BYTE_TIMEOUT_MS = 4000
CONNECT_TIMEOUT_MS = 700
SILENCE_WORTH_A_LINE_S = 11
HUGE = 0x7FFFFFFF


@pytest.fixture(scope="module")
def hanging_address(network):
    full = FullBacklog(network.brokers, broker_address(9), PORT)
    yield f"{broker_address(9)}:{PORT}"
    full.close()


@pytest.fixture(scope="module")
def refusing_address():
    return f"{broker_address(10)}:{PORT}"


@pytest.fixture(scope="module")
def listeners():
    return {name: Listener(name, 1) for name in ("scripted", "refusing", "hanging")}


@pytest.fixture(scope="module")
def kferry(request, network, module_scratch, dial_watch, cluster, broker, refusing_address, hanging_address, listeners):
    if request.config.getoption("--direct"):
        pytest.skip("about kferry alone")
    addresses = {"scripted": broker.address(), "refusing": refusing_address, "hanging": hanging_address}
    upstreams = [Upstream(name, address, listeners[name]) for name, address in addresses.items()]
    limits = {"first_byte_timeout_ms": FIRST_BYTE_TIMEOUT_MS, "upstream_connect_timeout_ms": CONNECT_TIMEOUT_MS}
    kferry = Kferry(network, module_scratch, cluster.bootstrap(), upstreams=upstreams, limits=limits)
    dial_watch.kferrys.update(kferry.addresses())
    kferry.start()
    for name in ("default", "scripted"):
        kferry.wait_for_log(f"cause=discovered subject={name} ")
    yield kferry
    kferry.stop()


@pytest.fixture(scope="module")
def bystander(kferry, network, module_scratch, outside):
    """A producer that waits for all replicas, on a kferry where others misbehave."""
    topic = {"topic": "bystander"}
    outside.do("create-topic", lab={**topic, "assignment": "1,2,3/2,3,1/3,1,2"})
    driver = Driver(network.clients, module_scratch / "bystander.log", kferry.bootstrap()).ready()
    producer = driver.start("producer", lab=topic, acks="all", linger_ms=0, retries=0, enable_idempotence="false")
    producer.wait("acked", count=30)
    yield producer
    producer.stop()
    assert not producer.events("lost"), producer.events("lost")[:3]
    reader = outside.do("read", lab=topic)
    assert producer.acked() <= set(reader.got())
    driver.close()


@pytest.fixture(scope="module")
def old_connections(kferry, network, listeners):
    """To the real cluster and to the scripted broker, open since before the first misdeed."""
    connections = [
        network.clients.connect(where) for where in (kferry.listener.addresses()[0], *listeners["scripted"].addresses())
    ]
    for connection in connections:
        assert wire.ask(connection, wire.api_versions_request(1))[0] == 1
    yield connections
    for connection in connections:
        connection.close()


@pytest.fixture(autouse=True)
def everything_else_goes_on(kferry, bystander, old_connections, broker, dials):
    broker.script.clear()
    yield
    broker.script.clear()
    bystander.wait("acked", since=bystander.mark(), count=5)
    for connection in old_connections:
        assert wire.ask(connection, wire.api_versions_request(2))[0] == 2
    assert kferry.running()


@pytest.fixture(scope="module", autouse=True)
def patient(clients, listeners, broker):
    """A client whose broker has hung since before the first test. What it waited for, and since when."""
    client = clients(listeners["scripted"].addresses()[0])
    broker.script[wire.METADATA] = lambda _: SILENCE
    asked = len(broker.asked)
    client.send(wire.metadata_request(1))
    assert becomes(lambda: len(broker.asked) > asked)
    return client, time.monotonic()


class Client:
    """A raw client with an address of its own, so that its log lines can be told from all others."""

    def __init__(self, network, kferry, where):
        self.address = network.another_client()
        self._kferry = kferry
        self.connection = network.clients.connect(where, 20, source=self.address)

    def send(self, data):
        self.connection.sendall(data)

    def ask(self, message):
        return wire.ask(self.connection, message)

    def is_closed(self):
        return wire.is_over(self.connection)

    def lines(self):
        return self._kferry.matching(rf"subject={re.escape(self.address)} ")

    def the_line(self):
        """The one line about this client."""
        self._kferry.wait_for_log(rf"subject={re.escape(self.address)} ")
        lines = self.lines()
        assert len(lines) == 1, lines
        return lines[0]


@pytest.fixture(scope="module")
def clients(kferry, network):
    """Makes clients; in the end each must still have had one line at most."""
    made = []

    def make(where):
        made.append(Client(network, kferry, where))
        return made[-1]

    yield make
    for client in made:
        client.connection.close()
        assert len(client.lines()) <= 1, client.lines()


@pytest.fixture
def client(clients, listeners):
    """Before the scripted broker."""
    return clients(listeners["scripted"].addresses()[0])


def assert_says(line, cause, *words):
    assert re.search(rf" level=(warning|error) cause={cause} ", line), line
    for word in words:
        assert re.search(word, line, re.I), f"{word} is not in: {line}"


def tls_hello():
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="kafka.example.com")
    with pytest.raises(ssl.SSLWantReadError):
        session.do_handshake()
    return outgoing.read()


NOT_KAFKA = {
    "a TLS hello": (tls_hello(), "tls_hello_on_plaintext", ["TLS", "PLAINTEXT|plaintext"]),
    "an HTTP request": (b"GET /metrics HTTP/1.1\r\nHost: kferry\r\n\r\n", "http_request", ["HTTP"]),
    "a negative length": (struct.pack("!i", -1) + bytes(20), "negative_frame_size", ["-1"]),
    "a length of 2 GB": (struct.pack("!i", HUGE) + bytes(20), "frame_too_large", ["2147483647", "100 MiB|104857600"]),
    "a length too short": (struct.pack("!i", 3) + bytes(20), "frame_too_small", ["3"]),
    "an impossible version": (wire.request(wire.METADATA, 999, 1), "implausible_request_header", ["999"]),
    "an impossible key": (wire.request(400, 0, 1), "implausible_request_header", ["400"]),
    "a GSSAPI token first": (wire.frame(b"\x60\x82\x02\x00" + bytes(60)), "gssapi_token_first", ["GSSAPI|Kerberos"]),
}


@pytest.mark.parametrize("data, cause, words", NOT_KAFKA.values(), ids=NOT_KAFKA)
def test_what_is_no_kafka_request_ends_its_connection_and_reaches_no_broker(client, broker, data, cause, words):
    accepted, asked = broker.accepted, len(broker.asked)
    client.send(data)
    assert client.is_closed()
    assert_says(client.the_line(), cause, *words)
    assert (broker.accepted, len(broker.asked)) == (accepted, asked)


def test_random_bytes_end_their_connections(clients, listeners, broker):
    accepted = broker.accepted
    for seed in range(12):
        client = clients(listeners["scripted"].addresses()[0])
        client.send(random.Random(seed).randbytes(200))
        assert client.is_closed(), f"seed {seed}"
        assert_says(client.the_line(), r"\w+")
    assert broker.accepted == accepted


def test_random_bytes_inside_a_well_framed_request_are_the_brokers_to_judge(clients, listeners):
    """Or kferry's, where it reads them: either way the connection ends, and with one line at most."""
    for seed in range(12):
        random_ = random.Random(seed)
        client = clients(listeners["scripted"].addresses()[0])
        key = random_.choice([wire.PRODUCE, wire.FETCH, wire.SASL_HANDSHAKE])
        client.send(wire.request(key, random_.randrange(14), 1, random_.randbytes(100)))
        assert client.is_closed(), f"seed {seed}"


@pytest.mark.parametrize("size", [1, 3, 4, 9, 13])
def test_a_header_cut_short(client, broker, size):
    accepted = broker.accepted
    client.send(wire.api_versions_request(1)[:size])
    client.connection.shutdown(1)
    assert client.is_closed()
    assert_says(client.the_line(), "header_cut_short", "header")
    assert broker.accepted == accepted


def test_a_header_that_never_ends(client, broker):
    accepted = broker.accepted
    client.send(wire.api_versions_request(1)[:9])
    assert client.is_closed()
    assert_says(client.the_line(), "first_request_too_slow", "in time")
    assert broker.accepted == accepted


def test_a_connection_without_a_byte_is_a_probe_and_no_event(client, broker, kferry, network, listeners):
    accepted, mark = broker.accepted, kferry.mark()
    client.connection.shutdown(1)
    assert client.is_closed()
    for _ in range(3):
        network.clients.connect(listeners["scripted"].addresses()[0]).close()
    with network.clients.connect(listeners["scripted"].addresses()[0]) as later:
        assert wire.ask(later, wire.api_versions_request(1))[0] == 1
    assert not client.lines() and not kferry.log(mark)
    assert broker.accepted == accepted + 1


def test_a_version_above_the_table_is_never_forwarded(client, broker):
    assert client.ask(wire.api_versions_request(1))[0] == 1
    asked = list(broker.asked)
    assert client.ask(wire.request(wire.METADATA, 99, 2, b"\0" + struct.pack("!i", 0))) is None
    assert_says(client.the_line(), "version_above_table", "Metadata", "99")
    assert broker.asked == asked


@pytest.mark.parametrize("key, name", [(52, "Vote"), (95, "95")])
def test_a_hidden_api_is_never_forwarded(client, broker, key, name):
    assert client.ask(wire.api_versions_request(1))[0] == 1
    asked = list(broker.asked)
    assert client.ask(wire.request(key, 0, 2, b"\0")) is None
    assert_says(client.the_line(), "hidden_api_key", name)
    assert broker.asked == asked


def test_api_versions_above_the_table_are_answered_with_error_35_by_kferry_itself(client, broker):
    accepted = broker.accepted
    correlation_id, body = client.ask(wire.request(wire.API_VERSIONS, 6, 9, b"\0"))
    error, count, key, low, high = struct.unpack("!hihhh", body)
    assert (correlation_id, error, count, key, low, high) == (9, 35, 1, wire.API_VERSIONS, 0, 5)
    assert broker.accepted == accepted
    assert client.ask(wire.api_versions_request(10))[0] == 10
    assert not client.lines()


def answers(body, correlation_id=None):
    return lambda request: wire.response(request.correlation_id if correlation_id is None else correlation_id, body)


def with_brokers(*brokers, cluster_id=ScriptedBroker.CLUSTER_ID):
    return wire.metadata_body(brokers, cluster_id)


HONEST = with_brokers((0, broker_address(8), PORT))
BAD_METADATA = {
    "garbage": (answers(random.Random(1).randbytes(300)), "malformed_frame", ["Metadata v2", r"byte \d+", "brokers"]),
    "nothing": (answers(b""), "malformed_frame", ["Metadata v2", r"byte \d+", "brokers"]),
    "cut in a name": (answers(HONEST[:14]), "malformed_frame", ["Metadata", "host"]),
    "a name longer than the frame": (
        answers(struct.pack("!iih", 1, 0, 30_000) + b"kafka"), "malformed_frame", ["Metadata", "host"]),
    "a negative count": (answers(struct.pack("!i", -7) + HONEST[4:]), "malformed_frame", ["Metadata", "brokers"]),
    "a count of two thousand million": (
        answers(struct.pack("!i", HUGE) + HONEST[4:]), "malformed_frame", ["Metadata"]),
    "a wrong correlation id": (answers(HONEST, 77), "wrong_correlation_id", ["77"]),
    "a negative length": (lambda _: struct.pack("!i", -5) + bytes(30), "negative_frame_size", ["-5"]),
    "a length too short": (lambda _: struct.pack("!i", 2) + bytes(30), "frame_too_small", ["2"]),
    "another cluster": (
        answers(with_brokers((0, "10.77.2.66", 1), cluster_id="strange")), "cluster_id_changed", ["strange", "bootstrap"]),
    "an end in the middle": (
        lambda request: [wire.response(request.correlation_id, HONEST)[:20], CLOSE], "response_cut_short", ["inside"]),
    "a reset": (lambda _: RESET, "broker_cut", ["Connection reset", "Metadata"]),
}  # fmt: skip


@pytest.mark.parametrize("script, cause, words", BAD_METADATA.values(), ids=BAD_METADATA)
def test_a_broker_that_answers_badly_ends_the_connection_and_teaches_nothing(
    client, network, listeners, broker, script, cause, words
):
    broker.script[wire.METADATA] = script
    assert client.ask(wire.api_versions_request(1))[0] == 1
    assert client.ask(wire.metadata_request(2)) is None
    assert_says(client.the_line(), cause, re.escape(broker.address()), *words)
    broker.script.clear()
    listener = listeners["scripted"]
    with network.clients.connect(listener.addresses()[0]) as later:
        told = wire.parse_metadata(wire.ask(later, wire.metadata_request(1))[1])
    assert told == [(0, listener.host, listener.first)]


def test_a_response_that_nobody_asked_for(client, broker):
    broker.script[wire.API_VERSIONS] = lambda request: [
        wire.response(request.correlation_id, wire.api_versions_body({18: (0, 3)})),
        wire.response(request.correlation_id + 1, wire.api_versions_body({18: (0, 3)})),
    ]
    assert client.ask(wire.api_versions_request(1))[0] == 1
    assert client.is_closed()
    assert_says(client.the_line(), "unsolicited_response", re.escape(broker.address()))


def test_a_response_of_2_gb_is_no_reason_to_hold_it(client, broker):
    """An opaque one passes as it comes; what has to be held is bounded."""
    broker.script[wire.SASL_HANDSHAKE] = lambda request: (
        struct.pack("!ii", HUGE, request.correlation_id) + bytes(1 << 20)
    )
    client.send(wire.request(wire.SASL_HANDSHAKE, 1, 5, wire.string("PLAIN")))
    assert wire.receive_exactly(client.connection, 8) == struct.pack("!ii", HUGE, 5)
    assert wire.receive_exactly(client.connection, 1 << 20) == bytes(1 << 20)
    client.connection.close()


def test_a_broker_that_refuses(clients, listeners, refusing_address):
    client = clients(listeners["refusing"].addresses()[0])
    assert client.ask(wire.api_versions_request(1)) is None
    assert_says(
        client.the_line(), "upstream_unreachable", re.escape(refusing_address), "refused", "check the bootstrap"
    )


def test_a_broker_that_cannot_be_connected_to_in_time(clients, listeners, hanging_address):
    client = clients(listeners["hanging"].addresses()[0])
    assert client.ask(wire.api_versions_request(1)) is None
    assert_says(
        client.the_line(), "upstream_unreachable", re.escape(hanging_address), "timed out", "check the bootstrap"
    )


def test_repeated_lines_are_counted_per_cause_and_client(start_kferry, cluster, network):
    kferry = start_kferry(cluster.bootstrap())
    offenders = [network.another_client() for _ in range(2)]
    for _ in range(10):
        for offender in offenders:
            with network.clients.connect(kferry.listener.addresses()[0], source=offender) as connection:
                connection.sendall(NOT_KAFKA["an HTTP request"][0])
                assert wire.is_over(connection)
    said = {offender: kferry.matching(rf"subject={re.escape(offender)} ") for offender in offenders}
    assert {offender: len(lines) for offender, lines in said.items()} == {offender: 3 for offender in offenders}
    kferry.stop()
    for offender in offenders:
        assert kferry.matching(rf"subject={re.escape(offender)} .*7 more like this"), kferry.log()
    kferry.start()  # ends as every kferry of a test must


def test_a_broker_that_hangs_holds_up_its_own_client_alone_until_that_leaves(patient, broker):
    client, since = patient
    client.connection.settimeout(max(0.1, since + SILENCE_WORTH_A_LINE_S - time.monotonic()))
    with pytest.raises(TimeoutError):
        client.connection.recv(1)
    client.connection.close()
    assert_says(client.the_line(), "broker_silent", re.escape(broker.address()), "Metadata", "hangs")
