"""Many clusters and listeners in one process, and IPv6 on either side."""

import pytest

from lab import wire
from lab.kafka import PASSWORD, SASL_PORT, USER
from lab.kferry import Listener, Upstream
from lab.namespaces import BROKER_6, MIDDLE_TO_CLIENTS, MIDDLE_TO_CLIENTS_6
from lab.scripted_broker import ScriptedBroker
from test_sasl import login

pytestmark = [pytest.mark.quick, pytest.mark.usefixtures("needs_kferry")]


def round_trip(driver, outside, bootstrap, topic, **properties):
    producer = driver.start(
        "producer", bootstrap, {"topic": topic, "count": 200, "interval.ms": 0}, acks="all", **properties
    )
    acked = producer.finish(60).acked()
    assert len(acked) == 200
    seen = driver.start("read", bootstrap, {"topic": topic}, **properties).finish(60).got()
    assert acked <= set(seen)
    assert acked <= set(outside.do("read", lab={"topic": topic}).got())
    return acked


def test_two_clusters_and_three_listeners_keep_apart(
    start_kferry, start_driver, cluster, another_cluster, outside, network
):
    inner = Listener("inner", 1)
    sasl = Listener("sasl", 3, "SASL_PLAINTEXT")
    kferry = start_kferry(
        cluster.bootstrap(),
        upstreams=[
            Upstream("another", another_cluster.bootstrap(), inner),
            Upstream("secured", cluster.bootstrap(SASL_PORT), sasl),
        ],
    )
    for name in ("default", "another"):
        kferry.wait_for_log(f"cause=discovered subject={name} ")
    elsewhere = start_driver(another_cluster.bootstrap(), network.brokers)
    outside.do("create-topic", lab={"topic": "apart", "assignment": "1,2/2,3/3,1"})
    elsewhere.do("create-topic", lab={"topic": "apart", "assignment": "1"})
    driver = start_driver()
    there = round_trip(driver, elsewhere, inner.bootstrap(), "apart")
    here = round_trip(driver, outside, kferry.bootstrap(), "apart")
    here |= round_trip(driver, outside, sasl.bootstrap(2), "apart", **login("SCRAM-SHA-512"))
    assert set(outside.do("read", lab={"topic": "apart"}).got()) == here
    assert set(elsewhere.do("read", lab={"topic": "apart"}).got()) == there
    # Each listener names its own ports.
    for listener, ids in ((kferry.listener, (1, 2, 3)), (inner, (1,)), (sasl, (1, 2, 3))):
        with network.clients.connect(listener.addresses()[0]) as connection:
            if listener is sasl:
                wire.log_in(connection, USER, PASSWORD)
            told = wire.parse_metadata(wire.ask(connection, wire.metadata_request(3))[1])
        assert sorted(told) == sorted((i, listener.host, listener.ports[i % listener.count]) for i in ids)


def test_two_listeners_of_one_cluster_advertise_each_their_own(start_kferry, cluster, network):
    one, two = Listener("one", 3), Listener("two", 3, host=MIDDLE_TO_CLIENTS_6, bind="::")
    kferry = start_kferry(cluster.bootstrap(), upstreams=[Upstream("twice", cluster.bootstrap(), one, two)])
    kferry.wait_for_log("cause=discovered subject=twice ")
    for listener in (one, two):
        with network.clients.connect(listener.addresses()[1]) as connection:
            told = wire.parse_metadata(wire.ask(connection, wire.metadata_request(1))[1])
        assert sorted(told) == sorted((i, listener.host, listener.ports[i % 3]) for i in (1, 2, 3))


@pytest.mark.parametrize("bind", ["::", MIDDLE_TO_CLIENTS_6])
def test_an_ipv6_listener(start_kferry, start_driver, cluster, outside, dials, bind):
    listener = Listener("six", 3, host=MIDDLE_TO_CLIENTS_6, bind=bind)
    kferry = start_kferry(cluster.bootstrap(), listener=listener)
    topic = f"six-{len(bind)}"
    outside.do("create-topic", lab={"topic": topic, "assignment": "1,2/2,3/3,1"})
    round_trip(start_driver(kferry.bootstrap()), outside, None, topic)
    assert set(dials.made()) == set(listener.addresses())


def test_an_ipv6_broker(start_kferry, cluster, network):
    broker = ScriptedBroker(network.brokers, BROKER_6, 9092, node_id=4)
    six = Listener("six", 5)
    kferry = start_kferry(cluster.bootstrap(), upstreams=[Upstream("six", broker.address(), six)])
    kferry.wait_for_log("cause=discovered subject=six ")
    with network.clients.connect(six.addresses()[4]) as connection:
        told = wire.parse_metadata(wire.ask(connection, wire.metadata_request(1))[1])
        assert told == [(4, MIDDLE_TO_CLIENTS, six.ports[4])]
        # A produce request is meant for broker 4 alone: it gets there, so this was no stand-in.
        wire.ask(connection, wire.request(wire.PRODUCE, 3, 2, bytes(20)))
    # Beside the question for its health.
    assert [key for key in broker.asked if key != wire.API_VERSIONS] == [wire.METADATA, wire.PRODUCE]
    broker.close()
