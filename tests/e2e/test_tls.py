"""TLS on either side of kferry, on both and on neither, each with and without client certificates: Kafka's own tools,
and clients that are not Java's.

One kferry has six clusters (three kinds of upstream, with SASL and without), each with three kinds of listener.
"""

import itertools
import pathlib
import re

import pytest

from lab import wheels
from lab.driver import Driver
from lab.kafka import PASSWORD, USER
from lab.kferry import Kferry
from lab.namespaces import MIDDLE_TO_CLIENTS
from lab.processes import run
from lab.tls_sides import SIDES, client_properties, listener, upstream
from lab.tools import Tools
from test_sasl import login
from test_tools import KIB, assert_no_broker_address, consumed

CLIENTS = pathlib.Path(__file__).parent / "lab" / "clients"
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
    """The nine. Quick: each once, with each login and each tool in turn. Else the whole product."""
    for number, (clients, brokers) in enumerate(itertools.product(SIDES, SIDES)):
        once, tool = LOGINS[(number // 3 + number) % 3], list(ADMIN)[number]
        name = f"{clients}-{brokers}"
        yield pytest.param(clients, brokers, once, [tool], marks=pytest.mark.quick, id=f"{name}-{once}-once")
        for mechanism in (*LOGINS, "SCRAM-SHA-256", "OAUTHBEARER"):
            yield pytest.param(clients, brokers, mechanism, list(ADMIN), id=f"{name}-{mechanism}")


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
    dial_watch.kferrys.update(kferry.addresses())
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


@pytest.mark.parametrize("clients, brokers, mechanism, admin", list(combinations()))
def test_every_combination_of_plain_tls_and_mutual_tls(
    kferry, jvm, outside, scratch, authority, dials, clients, brokers, mechanism, admin
):
    sasl = mechanism != "none"
    side = kferry.sides[(brokers + ("sasl" if sasl else ""), clients)]
    kind = STORES[(SIDES.index(clients) + SIDES.index(brokers)) % 3]
    settings = client_properties(clients, sasl, authority, kind)
    settings = ({**login(mechanism), **settings}) if sasl else settings
    properties = Tools(None, scratch).properties_file(settings)
    whole = len(admin) > 1
    topic = f"tls-{clients}-{brokers}-{mechanism}{'' if whole else '-once'}"
    outside.do("create-topic", lab={"topic": topic, "assignment": "1,2/2,3/3,1"})
    mark = kferry.mark()
    counts = {KIB: 20_000, 100 * KIB: 300} if whole else {KIB: 2_000}
    run_everything(jvm, side.bootstrap(), topic, properties, counts, admin)
    said = kferry.matching(r" level=(error|warning) cause=(?!discovery_failed)", mark)
    assert not said, said


def librdkafka_settings(side, sasl, authority):
    """Of a client towards a listener, in librdkafka's words."""
    settings = {"security.protocol": "SASL_SSL" if sasl else "SSL", "ssl.ca.location": authority.certificate}
    if side == "mutual":
        own = authority.issue("client")
        settings |= {"ssl.certificate.location": own.certificate, "ssl.key.location": own.key}
    return settings


@pytest.fixture
def go(network, outside, scratch):
    """Runs a client of a topic of its own to its end: its output."""

    def go(topic, *command, stdin=None):
        if topic:
            outside.do("create-topic", lab={"topic": topic, "assignment": "1,2/2,3/3,1"})
        result = run(command, scratch / f"{pathlib.Path(command[0]).name}.log", network.clients, stdin=stdin)
        assert result.code == 0, result
        return result.output

    return go


@pytest.mark.quick
@pytest.mark.parametrize("clients, brokers", [("tls", "mutual"), ("mutual", "tls")])
def test_kcat(kferry, go, authority, dials, clients, brokers):
    side = kferry.sides[(f"{brokers}sasl", clients)]
    settings = librdkafka_settings(clients, True, authority)
    settings |= {"sasl.mechanisms": "PLAIN", "sasl.username": USER, "sasl.password": PASSWORD}
    words = [word for key, value in settings.items() for word in ("-X", f"{key}={value}")]
    topic, lines = f"tls-kcat-{clients}", [f"word {number}" for number in range(500)]
    go(topic, "kcat", "-P", "-b", side.bootstrap(), "-t", topic, *words, stdin="\n".join(lines) + "\n")
    output = go(None, "kcat", "-C", "-e", "-q", "-o", "beginning", "-b", side.bootstrap(), "-t", topic, *words)
    assert sorted(output.splitlines()) == sorted(lines)


@pytest.mark.quick
@pytest.mark.parametrize("clients, login", [("tls", []), ("mutual", [USER, PASSWORD])])
def test_librdkafka(kferry, go, authority, dials, clients, login):
    side = kferry.sides[("tls" + ("sasl" if login else ""), clients)]
    settings = librdkafka_settings(clients, bool(login), authority)
    words = [f"{key}={value}" for key, value in settings.items()]
    topic = f"tls-librdkafka-{clients}"
    output = go(topic, wheels.python(), CLIENTS / "confluent.py", side.bootstrap(), topic, "2000", *login, *words)
    assert output.endswith("got 2000"), output


@pytest.mark.quick
@pytest.mark.parametrize("clients, login", [("tls", []), ("mutual", [USER, PASSWORD])])
def test_kafka_python(kferry, go, authority, dials, clients, login):
    side = kferry.sides[("tls" + ("sasl" if login else ""), clients)]
    words = [f"security_protocol={'SASL_SSL' if login else 'SSL'}", f"ssl_cafile={authority.certificate}"]
    if clients == "mutual":
        own = authority.issue("client")
        words += [f"ssl_certfile={own.certificate}", f"ssl_keyfile={own.key}"]
    topic = f"tls-kafka-python-{clients}"
    output = go(topic, wheels.python(), CLIENTS / "kafka_python.py", side.bootstrap(), topic, "2000", *login, *words)
    assert output.endswith("got 2000"), output
