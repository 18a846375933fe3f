"""One port for whole clusters: the name that a client asks for (SNI) tells the cluster and the broker.

Two clusters with SASL_SSL on both sides share the port: `orders`, three brokers, and `billing`, two, whose ids
and topics `orders` has, too. The clients resolve every name to kferry, by a hosts file of their own.
"""

import pathlib
import re

import pytest

from lab import tls_client, wheels, wire
from lab.driver import Driver
from lab.kafka import PASSWORD, SASL_TLS_PORT, USER, Cluster
from lab.kferry import Kferry, NamedListener
from lab.namespaces import MIDDLE_TO_CLIENTS
from lab.openssl import Conversation
from lab.processes import run
from lab.tls_sides import client_properties, upstream
from lab.tools import Tools
from test_sasl import login
from test_tls import librdkafka_settings, run_everything
from test_tools import assert_no_broker_address

CLIENTS = pathlib.Path(__file__).parent / "lab" / "clients"
IDS = {"orders": (1, 2, 3), "billing": (2, 3)}
ADMIN = ("kafka-topics", "kafka-log-dirs", "kafka-configs", "kafka-consumer-groups", "kafka-transactions")
UNRECOGNIZED_NAME = 112

pytestmark = [pytest.mark.quick, pytest.mark.usefixtures("needs_kferry")]


@pytest.fixture(scope="module")
def clusters(cluster, network, directory, authority):
    billing = Cluster(network, directory / "billing", IDS["billing"], "kferryBillingCluster00", 5, authority)
    billing.start()
    yield {"orders": cluster, "billing": billing}
    billing.kill()


@pytest.fixture(scope="module")
def listeners(authority):
    def certificate(name):
        own = authority.issue(f"sni-{name}", f"DNS:*.{name}.lab,DNS:{name}.lab")
        return {"certificate": own.certificate, "key": own.key}

    orders = NamedListener("orders", "broker-{{nodeId}}.orders.lab", "orders.lab", tls=certificate("orders"),
                           bootstrap_host_pattern="orders.lab")  # fmt: skip
    billing = NamedListener("billing", "b-{{nodeId}}.billing.lab", "b.billing.lab", tls=certificate("billing"),
                            port=orders.first)  # fmt: skip
    return {"orders": orders, "billing": billing}


@pytest.fixture(scope="module")
def kferry(network, module_scratch, dial_watch, clusters, listeners, authority):
    upstreams = [upstream(name, "tls", True, clusters[name], authority, [listeners[name]]) for name in clusters]
    kferry = Kferry(network, module_scratch, clusters["orders"].bootstrap(), upstreams=upstreams)
    dial_watch.kferrys.update(kferry.addresses())
    kferry.start()
    yield kferry
    kferry.stop()


@pytest.fixture(scope="module")
def hosts(module_scratch, listeners):
    """What the clients have for DNS."""
    file = module_scratch / "hosts"
    names = [name for key, listener in listeners.items() for name in listener.names(IDS[key])]
    file.write_text("".join(f"{MIDDLE_TO_CLIENTS} {name}\n" for name in names), encoding="ascii")
    return file


@pytest.fixture(scope="module")
def jvm(network, module_scratch, jars, hosts):
    """Kafka's tools and Java clients."""
    driver = Driver(network.clients, module_scratch / "jvm.log", more=[f"-Djdk.net.hosts.file={hosts}"]).ready()
    yield driver
    driver.close()


@pytest.fixture
def go(network, scratch, hosts):
    """Runs a client that is not Java's to its end, with those hosts in the place of its own: its output."""
    under = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"', hosts]

    def go(*command, stdin=None):
        log_path = scratch / f"{pathlib.Path(command[0]).name}.log"
        result = run([*under, *command], log_path, network.clients, stdin=stdin)
        assert result.code == 0, result
        return result.output

    return go


@pytest.fixture
def beside(clusters, outside, network, scratch):
    """By cluster, Java clients among its brokers, for what is arranged or checked without kferry."""
    more = Driver(network.brokers, scratch / "billing-driver.log", clusters["billing"].bootstrap()).ready()
    yield {"orders": outside, "billing": more}
    more.close()


@pytest.fixture
def topic(beside, request):
    """A topic that both clusters have."""
    name = re.sub(r"[^\w-]+", "-", request.node.name)
    for key, assignment in (("orders", "1,2/2,3/3,1"), ("billing", "2/3/2")):
        beside[key].do("create-topic", lab={"topic": name, "assignment": assignment})
    return name


@pytest.mark.parametrize("name, mechanism", [("orders", "SCRAM-SHA-512"), ("billing", "PLAIN")])
def test_kafka_tools(kferry, listeners, jvm, scratch, authority, topic, dials, name, mechanism):
    listener, mark = listeners[name], kferry.mark()
    settings = login(mechanism) | client_properties("tls", True, authority, "PKCS12")
    properties = Tools(None, scratch).properties_file(settings)
    admin = ADMIN if name == "orders" else ADMIN[:1]
    run_everything(jvm, listener.bootstrap(), topic, properties, {1024: 5_000, 102_400: 50}, admin)
    at = ["--bootstrap-server", listener.bootstrap(), "--command-config", properties]
    output = jvm.tool("kafka-cluster", "list-endpoints", *at)
    assert_no_broker_address(output)
    shown = re.findall(r"(?m)^(\d+)\s+(\S+)\s+(\d+)", output)
    assert shown == [(str(i), listener.name_of(i), str(listener.first)) for i in IDS[name]], output
    assert set(dials.made()) == set(listener.addresses())
    said = kferry.matching(r" level=(error|warning) cause=(?!discovery_failed)", mark)
    assert not said, said


def test_clusters_are_told_apart_by_name(kferry, listeners, jvm, beside, authority, topic, dials):
    properties = login("SCRAM-SHA-512") | client_properties("tls", True, authority, "PKCS12")
    properties = {key.replace(".", "_"): value for key, value in properties.items()}
    sent = {}
    for name, listener in listeners.items():
        lab = {"topic": topic, "count": 200, "interval.ms": 0}
        producer = jvm.start("producer", listener.bootstrap(), lab, acks="all", **properties)
        sent[name] = producer.finish(60).acked()
        assert len(sent[name]) == 200
    for name, listener in listeners.items():
        got = jvm.start("read", listener.bootstrap(), {"topic": topic}, **properties).finish(60).got()
        assert set(got) == sent[name]
        assert set(beside[name].do("read", lab={"topic": topic}).got()) == sent[name]


@pytest.mark.parametrize("name", IDS)
def test_librdkafka(kferry, listeners, go, authority, topic, dials, name):
    words = [f"{key}={value}" for key, value in librdkafka_settings("tls", True, authority).items()]
    words += ["ssl.endpoint.identification.algorithm=https"]
    where = listeners[name].bootstrap()
    output = go(wheels.python(), CLIENTS / "confluent.py", where, topic, "2000", USER, PASSWORD, *words)
    assert output.endswith("got 2000"), output


def test_kcat(kferry, listeners, go, authority, topic, dials):
    settings = librdkafka_settings("tls", True, authority)
    settings |= {"sasl.mechanisms": "PLAIN", "sasl.username": USER, "sasl.password": PASSWORD}
    words = ["-b", listeners["billing"].bootstrap()]
    words += [word for key, value in settings.items() for word in ("-X", f"{key}={value}")]
    lines = [f"word {number}" for number in range(500)]
    go("kcat", "-P", "-t", topic, *words, stdin="\n".join(lines) + "\n")
    output = go("kcat", "-C", "-e", "-q", "-o", "beginning", "-t", topic, *words)
    assert sorted(output.splitlines()) == sorted(lines)
    output = go("kcat", "-L", *words)
    told = re.findall(r"(?m)^ *broker (\d+) at (\S+):\d+", output)
    assert sorted(told) == [(str(i), listeners["billing"].name_of(i)) for i in IDS["billing"]], output


@pytest.mark.parametrize("name", IDS)
def test_a_broker_s_name_leads_to_that_broker(kferry, network, listeners, clusters, authority, dials, name):
    context, where = tls_client.settings(authority), listeners[name].addresses()[0]
    # What it learns from a client's bootstrap, as it has no credentials of its own.
    with tls_client.connect(network, where, context, name=listeners[name].names(())[0]) as connection:
        wire.log_in(connection, USER, PASSWORD)
        told = wire.parse_metadata(wire.ask(connection, wire.metadata_request(3))[1])
    assert sorted(told) == [(i, listeners[name].name_of(i), listeners[name].first) for i in IDS[name]]
    for node_id in IDS[name]:
        with tls_client.connect(network, where, context, name=listeners[name].name_of(node_id)) as connection:
            subject = dict(pair for part in connection.getpeercert()["subject"] for pair in part)
            assert subject["commonName"] == f"sni-{name}"
            wire.log_in(connection, USER, PASSWORD)
            clusters[name].brokers[node_id].assert_answers(connection)


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
@pytest.mark.parametrize(
    "asked", ["elsewhere.lab", "broker-1.billing.lab", "broker-x.orders.lab", "deep.broker-1.orders.lab", None]
)
def test_an_unknown_name(kferry, network, scratch, listeners, dials, asked, version):
    source = network.another_client()
    words = ["-servername", asked] if asked else ["-noservername"]
    where = listeners["orders"].addresses()[0]
    said = Conversation(network, scratch, where, version, *words, source=source)
    assert not said.answered and said.alert == UNRECOGNIZED_NAME, said.output
    subject = rf"subject={re.escape(source)} "
    kferry.wait_for_log(subject)
    lines = kferry.matching(subject)
    assert len(lines) == 1 and " cause=server_name_unknown " in lines[0], lines
    for part in (asked or "sent no server name", "orders.lab", "b.billing.lab"):
        assert part in lines[0], (part, lines[0])
