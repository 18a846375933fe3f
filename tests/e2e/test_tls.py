"""TLS on either side of kferry, on both and on neither, each with and without client certificates: Kafka's own tools.

One kferry has six clusters (three kinds of upstream, with SASL and without), each with three kinds of listener.
"""

import itertools
import re

import pytest

from lab.driver import Driver
from lab.kferry import Kferry
from lab.namespaces import MIDDLE_TO_CLIENTS
from lab.tls_sides import SIDES, client_properties, listener, upstream
from lab.tools import Tools
from test_sasl import login
from test_tools import KIB, assert_no_broker_address, consumed

LOGINS = ("none", "PLAIN", "SCRAM-SHA-512")
STORES = ("PEM", "PKCS12", "JKS")
# Of one admin tool: its words, and what its output must hold.
ADMIN = {
    "kafka-topics": (["--describe", "--topic", "{topic}"], r"Partition: 2\s+Leader: [123]"),
    "kafka-configs": (["--describe", "--entity-type", "brokers", "--all"], r"\bnode\.id=3\b"),
    "kafka-broker-api-versions": ([], r"\(id: 3 rack"),
    "kafka-cluster list-endpoints": ([], rf"(?m)^3\s+{re.escape(MIDDLE_TO_CLIENTS)}\s"),
    "kafka-metadata-quorum": (["describe", "--replication"], r"\bFollower\b"),
    "kafka-log-dirs": (["--describe", "--broker-list", "1,2,3"], r'"broker":3'),
    "kafka-consumer-groups": (["--describe", "--group", "{topic}"], r"(?m)^{topic}\s+{topic}\s+\d+\s+\d+"),
    "kafka-transactions": (["list"], r"TransactionalId"),
    "kafka-features": (["describe"], r"transaction\.version"),
}


def combinations():
    """The nine, with each tool and each login in turn: quick has each combination once."""
    for number, (clients, brokers) in enumerate(itertools.product(SIDES, SIDES)):
        quick = LOGINS[(number // 3 + number) % 3]
        for mechanism in (*LOGINS, "SCRAM-SHA-256", "OAUTHBEARER"):
            marks = [pytest.mark.quick] if mechanism == quick else []
            tool = list(ADMIN)[number] if mechanism == quick else None
            yield pytest.param(clients, brokers, mechanism, tool, marks=marks, id=f"{clients}-{brokers}-{mechanism}")


@pytest.fixture(scope="module")
def kferry(request, network, module_scratch, dial_watch, cluster, authority):
    if request.config.getoption("--direct"):
        pytest.skip("about kferry alone")
    upstreams = [
        upstream(side + ("sasl" if sasl else ""), side, sasl, cluster, authority,
                 [listener(towards_clients, sasl, authority) for towards_clients in SIDES])
        for side in SIDES
        for sasl in (False, True)
    ]  # fmt: skip
    kferry = Kferry(network, module_scratch, cluster.bootstrap(), upstreams=upstreams)
    kferry.sides = {
        (each.name, towards_clients.name): towards_clients for each in upstreams for towards_clients in each.listeners
    }
    for each in (kferry.listener, *kferry.sides.values()):
        dial_watch.kferrys.update(each.addresses())
    kferry.start()
    yield kferry
    kferry.stop()


@pytest.fixture(scope="module")
def jvm(network, module_scratch, jars):
    """The tools run in it, one after the other."""
    driver = Driver(network.clients, module_scratch / "tools.log").ready()
    yield driver
    driver.close()


def run_everything(jvm, bootstrap, topic, properties, counts, admin):
    for size, count in counts.items():
        output = jvm.tool(
            "kafka-producer-perf-test", "--topic", topic, "--num-records", count, "--record-size", size,
            "--throughput", -1, "--bootstrap-server", bootstrap, "--command-config", properties,
        )  # fmt: skip
        assert re.search(rf"^{count} records sent", output, re.M), output
    total = sum(counts.values())
    output = jvm.tool(
        "kafka-consumer-perf-test", "--topic", topic, "--num-records", total, "--timeout", 20_000, "--group", topic,
        "--bootstrap-server", bootstrap, "--command-config", properties,
    )  # fmt: skip
    assert consumed(output) == total, output
    for tool in admin:
        words, expected = ADMIN[tool]
        words = [word.format(topic=topic) for word in words]
        tool, *first = tool.split()
        output = jvm.tool(tool, *first, "--bootstrap-server", bootstrap, "--command-config", properties, *words)
        assert re.search(expected.replace("{topic}", re.escape(topic)), output), output[-4000:]
        if tool != "kafka-configs":  # which shows what brokers are told
            assert_no_broker_address(output)


@pytest.mark.parametrize("clients, brokers, mechanism, tool", list(combinations()))
def test_every_combination_of_plain_tls_and_mutual_tls(
    kferry, jvm, outside, scratch, authority, clients, brokers, mechanism, tool
):
    sasl = mechanism != "none"
    side = kferry.sides[(brokers + ("sasl" if sasl else ""), clients)]
    kind = STORES[(SIDES.index(clients) + SIDES.index(brokers)) % 3]
    settings = client_properties(clients, sasl, authority, kind)
    settings = ({**login(mechanism), **settings}) if sasl else settings
    properties = Tools(None, scratch).properties_file(settings)
    topic = f"tls-{clients}-{brokers}-{mechanism}"
    outside.do("create-topic", lab={"topic": topic, "assignment": "1,2/2,3/3,1"})
    mark = kferry.mark()
    counts = {KIB: 2_000} if tool else {KIB: 20_000, 100 * KIB: 300}
    run_everything(jvm, side.bootstrap(), topic, properties, counts, [tool] if tool else ADMIN)
    said = kferry.matching(r" level=(error|warning) cause=(?!discovery_failed)", mark)
    assert not said, said
