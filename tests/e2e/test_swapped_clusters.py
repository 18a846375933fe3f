"""Two live clusters swapped behind one bootstrap name: clients that start after the swap reach the other cluster through
kferry about as soon as without it, though every broker that kferry knows still answers."""

import itertools
import statistics
import threading
import time

import pytest

from lab import wire
from lab.kafka import PASSWORD, PLAIN_PORT, SASL_PORT, USER
from lab.kferry import Listener
from lab.name_server import NameServer
from test_sasl import login

pytestmark = pytest.mark.usefixtures("needs_kferry")

NAME = "kafka.lab"
SWAPS = 3
# How much later than a client among the brokers a client of kferry may get its first record into the other cluster.
ALLOWED = 1.0
# A client starts every so often after a swap, for so long: seconds.
EVERY, LONG = 0.25, 5
_topics = itertools.count(1)


@pytest.fixture
def names(network, scratch):
    server = NameServer([network.middle, network.brokers], scratch)
    yield server
    server.close()


class Clusters:
    """Behind one name is one of two clusters; both have the topic."""

    def __init__(self, names, first, second, outside, elsewhere):
        self._names, self.topic = names, {"topic": f"swapped-{next(_topics)}"}
        self._clusters = itertools.cycle([(second, elsewhere), (first, outside)])
        for cluster, admin in ((first, outside), (second, elsewhere)):
            assignment = "/".join(str(node_id) for node_id in cluster.brokers)
            admin.do("create-topic", lab={**self.topic, "assignment": assignment})
        self._lead_to(first)

    def _lead_to(self, cluster):
        self._names.set(NAME, [broker.host for broker in cluster.brokers.values()])

    def swap(self):
        """The cluster that the name leads to from now on, a client there, and when that was."""
        cluster, admin = next(self._clusters)
        self._lead_to(cluster)
        return cluster, admin, time.time()


@pytest.fixture
def clusters(names, cluster, another_cluster, outside, start_driver, network):
    elsewhere = start_driver(another_cluster.bootstrap(), network.brokers)
    return Clusters(names, cluster, another_cluster, outside, elsewhere)


@pytest.fixture
def start_side(start_driver, names, network):
    """Clients that resolve the name themselves, among the brokers; kferry's clients."""

    def start(kferry, port):
        no_cache = ["-Dsun.net.inetaddr.ttl=0", "-Dsun.net.inetaddr.negative.ttl=0"]
        return {
            "direct": start_driver(f"{NAME}:{port}", network.brokers, no_cache, names.launcher()),
            "through": start_driver(kferry.bootstrap()),
        }

    return start


def first_record_after(clusters, sides, properties):
    """When the first record of a client that started after a swap was acknowledged there, in seconds since, by side."""
    _, admin, swapped = clusters.swap()
    producers = {side: [] for side in sides}

    def start_them(side):
        for _ in range(int(LONG / EVERY)):
            lab = {**clusters.topic, "count": 1}
            producers[side].append(sides[side].start("producer", lab=lab, acks="all", **properties))
            time.sleep(EVERY)

    threads = [threading.Thread(target=start_them, args=(side,)) for side in sides]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    first = {}
    for side, several in producers.items():
        for producer in several:
            producer.finish(60)
        there = set(admin.do("read", lab=clusters.topic).got())
        acked = [
            int(words[3]) / 1000 - swapped
            for producer in several
            for words in producer.events("acked")
            if f"{producer.name}-{words[0]}" in there
        ]
        assert acked, f"{side}: no client that started after the swap reached the other cluster"
        first[side] = min(acked)
    return first


def assert_soon_after_every_swap(clusters, sides, properties):
    rounds = []
    for number in range(SWAPS):
        rounds.append(first_record_after(clusters, sides, properties))
        print(f"swap {number + 1}, first record:", ", ".join(f"{side} {at:.2f} s" for side, at in rounds[-1].items()))
    middle = {side: statistics.median(each[side] for each in rounds) for side in sides}
    assert middle["through"] <= middle["direct"] + ALLOWED, rounds


def test_where_discovery_can_run(start_kferry, clusters, names, start_side):
    kferry = start_kferry(f"{NAME}:{PLAIN_PORT}", launcher=names.launcher())
    kferry.wait_for_log("cause=discovered ")
    assert_soon_after_every_swap(clusters, start_side(kferry, PLAIN_PORT), {})
    assert kferry.matching("cause=cluster_changed ")


def test_where_only_traffic_teaches(start_kferry, clusters, names, network, start_side):
    kferry = start_kferry(f"{NAME}:{SASL_PORT}", listener=Listener(protocol="SASL_PLAINTEXT"), launcher=names.launcher())
    sides = start_side(kferry, SASL_PORT)
    assert_soon_after_every_swap(clusters, sides, login("PLAIN"))

    # Sessions one after another: the second one that meets the other cluster is served by it.
    cluster, _, _ = clusters.swap()
    turned_away = 0
    for number in range(200):
        with network.clients.connect(kferry.listener.address_of(number % 3)) as connection:
            wire.log_in(connection, USER, PASSWORD)
            question = wire.request(wire.METADATA, 2, number, b"\0\0\0\0", client_id=f"session-{number}")
            answer = wire.ask(connection, question)
        if answer is None:
            turned_away += 1
        elif {node_id for node_id, _, _ in wire.parse_metadata(answer[1])} == set(cluster.brokers):
            break
        time.sleep(0.05)
    else:
        raise AssertionError("no session is served by the other cluster")
    print(f"session {number + 1} is served by the other cluster, {turned_away} turned away before")
    assert turned_away <= 1
