"""Clients that stall in the handshake, go through it a byte at a time, leave in its midst or lie in it: they are ended
in time, nothing of them stays, and others are served meanwhile."""

import concurrent.futures
import random
import re
import ssl
import threading
import time

import pytest

from lab import tls_client, wire
from lab.kferry import Kferry, Listener, Upstream
from lab.processes import becomes
from lab.scripted_broker import close_with_reset
from lab.tls_sides import server_certificate

HANDSHAKE_TIMEOUT_MS = 1500
# The process, its log and what the kernel counts with it; a leak of one TLS state a handshake would be 20 MiB.
GROWTH_KIB = 8 << 10


@pytest.fixture(scope="module")
def kferry(request, network, module_scratch, dial_watch, authority, broker):
    if request.config.getoption("--direct"):
        pytest.skip("about kferry alone")
    own = server_certificate(authority)
    listener = Listener("tls", 1, "SSL", tls={"certificate": own.pem()})
    upstream = Upstream("crowded", broker.address(), listener, security_protocol="PLAINTEXT")
    limits = {"tls_handshake_timeout_ms": HANDSHAKE_TIMEOUT_MS}
    kferry = Kferry(network, module_scratch, broker.address(), upstreams=[upstream], limits=limits)
    kferry.where = listener.addresses()[0]
    dial_watch.kferrys.update(kferry.addresses())
    kferry.start()
    yield kferry
    kferry.stop()


@pytest.fixture(scope="module")
def context(authority):
    return tls_client.settings(authority)


class Handshake:
    """One client's part of a handshake, bytes in and bytes out."""

    def __init__(self, context, where):
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.session = context.wrap_bio(self._in, self._out, server_hostname=where[0])

    def step(self, received=b""):
        """What is to be sent next; empty when it is done."""
        self._in.write(received)
        try:
            self.session.do_handshake()
        except ssl.SSLWantReadError:
            return self._out.read()
        return self._out.read()


def assert_ended_in_time(kferry, source, client, began):
    assert wire.is_over(client)
    took = time.monotonic() - began
    assert HANDSHAKE_TIMEOUT_MS / 1000 - 0.2 < took < HANDSHAKE_TIMEOUT_MS / 1000 + 3, took
    line = kferry.wait_for_log(rf"subject={re.escape(source)} ")
    assert " cause=tls_handshake_timeout " in line, line


@pytest.mark.quick
@pytest.mark.parametrize("how", ["inside the hello", "after the hello"])
def test_a_handshake_that_stalls(kferry, network, context, how):
    source = network.another_client()
    hello = Handshake(context, kferry.where).step()
    with network.clients.connect(kferry.where, 20, source) as client:
        began = time.monotonic()
        client.sendall(hello if how == "after the hello" else hello[: len(hello) // 2])
        while how == "after the hello" and client.recv(1 << 16):
            pass  # the server's flight, then the end
        assert_ended_in_time(kferry, source, client, began)


@pytest.mark.quick
def test_a_byte_a_second(kferry, network, context):
    source = network.another_client()
    hello = Handshake(context, kferry.where).step()
    with network.clients.connect(kferry.where, 20, source) as client:
        began, stop = time.monotonic(), threading.Event()

        def drip():
            for byte in hello:
                try:
                    client.sendall(bytes([byte]))
                except OSError:
                    return
                if stop.wait(1):
                    return

        dripping = threading.Thread(target=drip)
        dripping.start()
        try:
            assert_ended_in_time(kferry, source, client, began)
        finally:
            stop.set()
            dripping.join()


@pytest.mark.quick
def test_a_key_share_that_is_no_point_of_its_curve(kferry, network, authority):
    source = network.another_client()
    context = tls_client.settings(authority)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_ecdh_curve("prime256v1")
    hello = Handshake(context, kferry.where).step()
    # Group 23, 65 bytes, uncompressed: the last one ends y.
    share = hello.index(bytes([0, 23, 0, 65, 4])) + 4
    lie = bytearray(hello)
    lie[share + 64] ^= 1
    with network.clients.connect(kferry.where, 20, source) as client:
        client.sendall(lie)
        assert client.recv(1 << 16) == bytes([21, 3, 3, 0, 2, 2, 47])  # fatal, illegal_parameter
        assert wire.is_over(client)
    line = kferry.wait_for_log(rf"subject={re.escape(source)} ")
    assert " cause=tls_point_off_curve " in line, line


def shake_hands(kferry, network, context, random_):
    """One handshake; a fifth are cut at a random byte of what the client sends. Whether it was whole."""
    cut = random_.randrange(700) if random_.random() < 0.2 else None
    handshake = Handshake(context, kferry.where)
    client = network.clients.connect(kferry.where, 20)
    try:
        sent, received = 0, b""
        while True:
            data = handshake.step(received)
            if cut is not None and sent + len(data) >= cut:
                client.sendall(data[: cut - sent])
                if random_.random() < 0.5:
                    close_with_reset(client)
                return False
            client.sendall(data)
            sent += len(data)
            if handshake.session.version() and not data.startswith(b"\x16"):
                return True
            received = client.recv(1 << 16)
            assert received, "kferry has closed"
    finally:
        client.close()


@pytest.mark.parametrize("count", [pytest.param(1_000, marks=pytest.mark.quick), 10_000])
def test_many_handshakes_and_a_fifth_of_them_cut(kferry, network, context, count):
    def some(first, size):
        random_ = random.Random(first)
        return [shake_hands(kferry, network, context, random_) for _ in range(size)]

    def crowd(size):
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            chunks = [pool.submit(some, first, 20) for first in range(0, size, 20)]
            return [whole for chunk in chunks for whole in chunk.result()]

    with tls_client.connect(network, kferry.where, context) as first:
        assert tls_client.answers(first)
        descriptors = kferry.open_descriptors()
    crowd(200)  # what the process keeps once it has been busy
    assert becomes(lambda: kferry.open_descriptors() < descriptors)
    before = kferry.resident_kib()

    served, over = [], threading.Event()

    def well_behaved():
        while not over.is_set():
            began = time.monotonic()
            with tls_client.connect(network, kferry.where, context) as client:
                assert tls_client.answers(client)
            served.append(time.monotonic() - began)

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        beside = pool.submit(well_behaved)
        try:
            outcomes = crowd(count)
        finally:
            over.set()
        beside.result()
    assert 0.15 < outcomes.count(False) / count < 0.25
    assert becomes(lambda: kferry.open_descriptors() < descriptors), (descriptors, kferry.open_descriptors())
    after = kferry.resident_kib()
    print(f"{count} handshakes: {before} KiB before, {after} after; {len(served)} served beside, at most {max(served):.3f} s")
    assert after - before < GROWTH_KIB, (before, after)
    assert max(served) < 5, max(served)
