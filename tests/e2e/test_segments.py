"""What ends a frame never waits for the next one, though what begins one may wait for its rest to fill a segment.

The kernel keeps what was sent with MSG_MORE for up to 200 ms (tcp(7)).
"""

import time

import pytest

from lab import tls_client, wire
from lab.kferry import Kferry, Listener, Upstream
from lab.scripted_broker import SILENCE
from lab.tls_sides import server_certificate

pytestmark = pytest.mark.quick

# Opaque to kferry both ways, so that all of a frame behind its header passes as it comes.
HEARTBEAT, LEAVE_GROUP = 12, 13
KEPT_BY_THE_KERNEL_S = 0.2
ROUNDS = 5
# Of a frame that goes on: less than a segment, and too little for a splice.
BEGINNING, WHOLE = 500, 20_000


@pytest.fixture(scope="module")
def kferry(request, network, module_scratch, dial_watch, authority, broker):
    if request.config.getoption("--direct"):
        pytest.skip("about kferry alone")
    own = server_certificate(authority)
    listener = Listener("tls", 1, "SSL", tls={"certificate": own.pem()})
    upstream = Upstream("segments", broker.address(), listener, security_protocol="PLAINTEXT")
    kferry = Kferry(network, module_scratch, broker.address(), upstreams=[upstream])
    kferry.tls = listener.addresses()[0]
    dial_watch.kferrys.update(kferry.addresses())
    kferry.start()
    yield kferry
    kferry.stop()


@pytest.fixture(params=["plain", "TLS"])
def client(request, kferry, network, authority):
    if request.param == "plain":
        connection = network.clients.connect(kferry.listener.addresses()[0], 20)
    else:
        connection = tls_client.connect(network, kferry.tls, tls_client.settings(authority))
    with connection:
        assert tls_client.answers(connection)
        yield connection


def number_of(payload):
    return int.from_bytes(payload[:4], "big")


def test_an_answer_does_not_wait_for_the_one_behind_it(broker, client):
    """The end of one and the beginning of the next come in one piece, and the rest of that one later."""
    numbers = iter(range(100, 200))
    took = []
    for _ in range(ROUNDS):
        whole, cut, last = (next(numbers) for _ in range(3))
        behind = wire.response(cut, bytes(WHOLE))
        acts = {
            whole: SILENCE,
            cut: wire.response(whole, bytes(40)) + behind[:BEGINNING],
            last: behind[BEGINNING:] + wire.response(last, b""),
        }
        broker.script[HEARTBEAT] = lambda request, acts=acts: acts[request.correlation_id]
        began = time.monotonic()
        client.sendall(wire.request(HEARTBEAT, 0, whole) + wire.request(HEARTBEAT, 0, cut))
        assert number_of(wire.receive_frame(client)) == whole
        took.append(time.monotonic() - began)
        client.sendall(wire.request(HEARTBEAT, 0, last))
        assert number_of(wire.receive_frame(client)) == cut
        assert number_of(wire.receive_frame(client)) == last
    assert min(took) < KEPT_BY_THE_KERNEL_S / 2, took


def test_a_request_does_not_wait_for_the_one_behind_it(broker, client):
    broker.script[HEARTBEAT] = broker.script[LEAVE_GROUP] = lambda request: wire.response(request.correlation_id, b"")
    numbers = iter(range(200, 300))
    took = []
    for _ in range(ROUNDS):
        whole, cut = next(numbers), next(numbers)
        behind = wire.request(LEAVE_GROUP, 0, cut, bytes(WHOLE))
        began = time.monotonic()
        client.sendall(wire.request(HEARTBEAT, 0, whole) + behind[:BEGINNING])
        assert number_of(wire.receive_frame(client)) == whole
        took.append(time.monotonic() - began)
        client.sendall(behind[BEGINNING:])
        assert number_of(wire.receive_frame(client)) == cut
    assert min(took) < KEPT_BY_THE_KERNEL_S / 2, took
