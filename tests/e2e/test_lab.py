"""The laboratory itself: what the other tests rest on."""

import socket

import pytest

from lab.namespaces import MIDDLE_TO_CLIENTS, broker_address
from lab.processes import Process
from lab.tools import Tools

PROXY_PORT = 6999


@pytest.fixture
def plain_proxy(cluster, network, scratch):
    """HAProxy in the middle: it carries bytes and translates nothing."""
    configuration = scratch / "haproxy.cfg"
    configuration.write_text(
        "defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n"
        f"listen kafka\n  bind {MIDDLE_TO_CLIENTS}:{PROXY_PORT}\n  server one {cluster.brokers[1].address()}\n"
    )
    proxy = Process(["haproxy", "-db", "-f", configuration], scratch / "haproxy.log", network.middle)
    for _ in range(200):
        try:
            network.clients.connect((MIDDLE_TO_CLIENTS, PROXY_PORT)).close()
            break
        except ConnectionRefusedError:
            with pytest.raises(AssertionError):
                proxy.wait_for_line("never printed", 0.05)
    yield (MIDDLE_TO_CLIENTS, PROXY_PORT)
    proxy.kill()


@pytest.mark.quick
@pytest.mark.may_dial_elsewhere
def test_a_client_cannot_reach_a_broker_directly(cluster, network, dials):
    network.brokers.connect((broker_address(0), 9092)).close()
    with pytest.raises(OSError):
        network.clients.connect((broker_address(0), 9092), timeout=0.5)
    assert dials.elsewhere() == {f"{broker_address(0)}:9092": 1}


@pytest.mark.quick
@pytest.mark.may_dial_elsewhere
def test_through_a_plain_proxy_clients_are_told_unreachable_addresses_and_the_watch_sees_the_dial(
    cluster, outside, network, scratch, dials, plain_proxy
):
    outside.do("create-topic", lab={"topic": "plain-proxy", "assignment": "2,3"})
    dials.allowed.add(plain_proxy)
    result = Tools(network.clients, scratch).try_to_run(
        "kafka-producer-perf-test", "--topic", "plain-proxy", "--num-records", "1", "--record-size", "10",
        "--throughput", "-1", "--bootstrap-server", "%s:%d" % plain_proxy,
        "--command-property", "enable.idempotence=false", "delivery.timeout.ms=2000", "request.timeout.ms=1000", "linger.ms=0",
    )  # fmt: skip
    assert "TimeoutException" in result.output, result
    assert f"{broker_address(1)}:9092" in dials.elsewhere(), dials.made()


@pytest.mark.quick
def test_the_watch_sees_dials_on_loopback_and_in_the_other_address_family(network, dials):
    port = 4444  # nothing listens on it in this namespace
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        caller = network.clients.socket(family, socket.SOCK_STREAM)
        with pytest.raises(OSError):
            caller.connect((host, port))
        caller.close()
        dials.allowed.add((host, port))
    assert {host for host, _ in dials.made()} == {"127.0.0.1", "::1"}
