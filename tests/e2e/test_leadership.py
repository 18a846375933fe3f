"""Leadership moves under running clients that look for new metadata once an hour by themselves.

This is where a translator that misses KIP-951's node endpoints leaks: a client that is told of the new leader in
the very answer that refuses it dials that leader at once.
"""

import re

import pytest

from lab import wheels
from lab.driver import Client
from lab.processes import Process
from test_other_clients import CLIENTS

HOUR = 3_600_000
# What a Java client says when an answer that refused it named the new leader.
TOLD_THE_LEADER = r"clientId=(\S+?)[,\]].* updating leader information"


@pytest.fixture
def driver(start_driver, kferry):
    """As the other tests' driver; its clients tell where they learn of leaders."""
    return start_driver(kferry.bootstrap(), more=["-Dlab.metadata.level=DEBUG"])


@pytest.mark.quick
def test_producers_consumers_and_share_consumers_follow_the_leader_through_kferry(driver, outside):
    topic = {"topic": "moving"}
    outside.do("create-topic", lab={**topic, "assignment": "1/2/3"})
    outside.do("group-config", lab={"group": "moving-share", "set": "share.auto.offset.reset=earliest"})
    producers = [
        driver.start(
            "producer", lab={**topic, "interval.ms": 5}, acks=acks, linger_ms=0, metadata_max_age_ms=HOUR,
            enable_idempotence=str(acks == "all").lower(), client_id=f"producer-{acks}",
        )
        for acks in ("all", "1")
    ]  # fmt: skip
    consumers = [
        driver.start(
            "consumer", lab=topic, group_id=f"moving-{protocol}", group_protocol=protocol,
            auto_offset_reset="earliest", metadata_max_age_ms=HOUR, client_id=f"consumer-{protocol}",
        )
        for protocol in ("classic", "consumer")
    ] + [driver.start("share", lab=topic, group_id="moving-share", metadata_max_age_ms=HOUR, client_id="share")]  # fmt: skip
    clients = [*producers, *consumers]

    def everyone_gets_on(partition):
        event = {id(client): rf"acked \d+ {partition}" for client in producers}
        event |= {id(client): rf"got \S+ {partition}" for client in consumers}
        marks = [client.mark() for client in clients]
        for client, mark in zip(clients, marks):
            client.wait(event[id(client)], 40, since=mark, count=20)

    for partition in range(3):
        everyone_gets_on(partition)
    # Each partition to a broker that did not hold it, and on; then back.
    for partition, replicas in ((0, "2"), (1, "3"), (2, "1"), (0, "3"), (0, "1"), (1, "2"), (2, "3")):
        outside.do("reassign", lab={**topic, "partition": partition, "replicas": replicas})
        everyone_gets_on(partition)

    for producer in producers:
        producer.stop()
        assert not producer.events("lost")
    # What one leader alone has acknowledged (acks=1) Kafka itself may lose when it is replaced.
    for consumer in consumers:
        consumer.until_got(producers[0].acked())
        consumer.stop()
    told = {found[1] for found in map(re.compile(TOLD_THE_LEADER).search, driver.process.lines()) if found}
    assert told >= {"producer-all", "producer-1", "consumer-classic", "consumer-consumer"}, told


@pytest.mark.quick
def test_a_preferred_election_moves_every_partition_at_once(driver, outside, dials, kferry, request):
    topic = {"topic": "electing"}
    outside.do("create-topic", lab={**topic, "assignment": "1,2,3/2,3,1/3,1,2"})
    producer = driver.start("producer", lab=topic, acks="all", linger_ms=0, metadata_max_age_ms=HOUR)
    consumer = driver.start(
        "consumer", lab=topic, group_id="electing", auto_offset_reset="earliest", metadata_max_age_ms=HOUR
    )
    consumer.wait("got", 20, count=30)
    # Another order of the same replicas: only the leader changes, at the election.
    for partition, replicas in ((0, "2,3,1"), (1, "3,1,2"), (2, "1,2,3")):
        outside.do("reassign", lab={**topic, "partition": partition, "replicas": replicas})
    mark = producer.mark()
    for partition in range(3):
        producer.wait(rf"acked \d+ {partition}", 30, since=mark, count=20)
        consumer.wait(rf"got \S+ {partition}", 30, since=mark, count=20)
    producer.stop()
    assert not producer.events("lost")
    consumer.until_got(producer.acked())
    consumer.stop()
    if not request.config.getoption("--direct"):
        assert {port for _, port in dials.made()} == set(kferry.listener.ports)


def test_librdkafka_follows_the_leader_through_kferry(kferry, outside, clients_side, scratch):
    topic = {"topic": "moving-librdkafka"}
    outside.do("create-topic", lab={**topic, "assignment": "1/2/3"})
    command = [wheels.python(), CLIENTS / "confluent_follow.py", kferry.bootstrap(), topic["topic"]]
    process = Process(command, scratch / "confluent.log", clients_side, stdin=True)
    producer, consumer = Client(process, "producer"), Client(process, "consumer")

    def gets_on(partition):
        mark = producer.mark()
        producer.wait(rf"acked \d+ {partition}", 40, since=mark, count=20)
        consumer.wait(rf"got \S+ {partition}", 40, since=mark, count=20)

    for partition in range(3):
        gets_on(partition)
    for partition, replicas in ((0, "2"), (1, "3"), (2, "1"), (0, "3"), (0, "1"), (1, "2"), (2, "3")):
        outside.do("reassign", lab={**topic, "partition": partition, "replicas": replicas})
        gets_on(partition)
    process.stdin.close()
    producer.finish()
    assert not producer.events("lost")
    assert producer.acked() <= set(outside.do("read", lab=topic).got())
    consumer.until_got(producer.acked())
    process.kill()
