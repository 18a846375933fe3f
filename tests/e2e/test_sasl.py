"""SASL through kferry, end to end between client and broker: kferry sees it pass and holds no password."""

import re

import pytest

from lab.kafka import PASSWORD, REAUTH_PORT, SASL_PORT, jaas
from lab.kferry import Kferry
from lab.namespaces import MIDDLE_TO_CLIENTS
from test_tools import consumed

MECHANISMS = ["PLAIN", "SCRAM-SHA-512", "OAUTHBEARER"]


def login(mechanism, **wrong):
    properties = {
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": mechanism,
        "sasl.jaas.config": jaas(mechanism, **wrong),
    }
    if mechanism == "OAUTHBEARER":
        internals = "org.apache.kafka.common.security.oauthbearer.internals"
        properties["sasl.login.callback.handler.class"] = (
            f"{internals}.unsecured.OAuthBearerUnsecuredLoginCallbackHandler"
        )
    return properties


@pytest.fixture
def kferry(start_kferry, cluster):
    """In front of the brokers' SASL listeners, without credentials of its own."""
    return start_kferry(cluster.bootstrap(SASL_PORT), protocol="SASL_PLAINTEXT")


@pytest.mark.parametrize(
    "mechanism", [*(pytest.param(m, marks=pytest.mark.quick) for m in MECHANISMS), "SCRAM-SHA-256"]
)
def test_perf_tools_with_sasl(kferry, outside, tools, mechanism):
    topic = f"sasl-{mechanism}"
    outside.do("create-topic", lab={"topic": topic, "assignment": "1,2/2,3/3,1"})
    properties = tools.properties_file(login(mechanism))
    output = tools.run(
        "kafka-producer-perf-test", "--topic", topic, "--num-records", 3_000, "--record-size", 1024,
        "--throughput", -1, "--bootstrap-server", kferry.bootstrap(), "--command-config", properties,
    )  # fmt: skip
    assert re.search(r"^3000 records sent", output, re.M), output
    output = tools.run(
        "kafka-consumer-perf-test", "--topic", topic, "--num-records", 3_000, "--timeout", 20_000,
        "--bootstrap-server", kferry.bootstrap(), "--command-config", properties,
    )  # fmt: skip
    assert consumed(output) == 3_000, output


@pytest.mark.quick
def test_a_wrong_password_is_refused_by_the_broker_and_not_logged(kferry, request, driver):
    client = driver.start("producer", lab={"topic": "none"}, **login("PLAIN", password="not-the-password"))
    said = client.wait("failed", 20).string
    assert "SaslAuthenticationException" in said, said
    if not request.config.getoption("--direct"):
        assert not kferry.matching("not-the-password")


@pytest.mark.quick
def test_sessions_that_authenticate_again_go_on(start_kferry, cluster, outside, driver):
    kferry = start_kferry(cluster.bootstrap(REAUTH_PORT), protocol="SASL_PLAINTEXT")
    outside.do("create-topic", lab={"topic": "reauth", "assignment": "1,2/2,3/3,1"})
    producers = {
        mechanism: driver.start(
            "producer",
            kferry.bootstrap(),
            {"topic": "reauth", "interval.ms": 10},
            acks="all",
            linger_ms=0,
            **login(mechanism),
        )
        for mechanism in MECHANISMS
    }
    consumer = driver.start(
        "consumer", kferry.bootstrap(), {"topic": "reauth"}, group_id="reauth", auto_offset_reset="earliest",
        **login("SCRAM-SHA-512"),
    )  # fmt: skip
    sent = set()
    for mechanism, producer in producers.items():
        # Three brokers, each connection at least three times.
        producer.wait(r"reauthenticated (?:9|\d\d+)", 40)
        producer.stop()
        assert not producer.events("lost"), f"{mechanism}: {producer.events('lost')[:3]}"
        assert producer.events("failed-reauthentications") == [["0"]]
        sent |= producer.acked()
    consumer.until_got(sent)
    consumer.stop()


@pytest.mark.quick
def test_the_quick_starts_variables_over_sasl_plaintext(
    needs_kferry, start_driver, network, scratch, dial_watch, dials, cluster, outside
):
    """As README has them, but for what the laboratory must name: brokers on 1-3, three ports, a bare SASL_PLAINTEXT."""
    variables = {
        "KAFKA_BOOTSTRAP_SERVERS": cluster.bootstrap(SASL_PORT),
        "KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
        "KAFKA_SASL_MECHANISM": "PLAIN",
        "KAFKA_SASL_JAAS_CONFIG": jaas("PLAIN"),
        "GATEWAY_LISTENER_NAMES": "external",
        "GATEWAY_LISTENER_EXTERNAL_PORTS": "6969-6971",
        "GATEWAY_LISTENER_EXTERNAL_ADVERTISED_HOST": MIDDLE_TO_CLIENTS,
        "GATEWAY_LISTENER_EXTERNAL_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
        "GATEWAY_SECURITY_MODE": "KAFKA_MANAGED",
        "GATEWAY_ACL_ENABLED": "false",
        "GATEWAY_LICENSE_KEY": "any-licence-key",
    }
    kferry = Kferry(network, scratch, None)
    kferry.variables = variables
    kferry.start()
    dial_watch.kferrys.update((MIDDLE_TO_CLIENTS, port) for port in (6969, 6970, 6971))
    driver = start_driver(f"{MIDDLE_TO_CLIENTS}:6969")
    outside.do("create-topic", lab={"topic": "quick-start", "assignment": "1/2/3"})
    producer = driver.start(
        "producer", lab={"topic": "quick-start", "count": 300}, acks="all", **login("SCRAM-SHA-512")
    )
    acked = producer.finish(60).acked()
    seen = driver.start("read", lab={"topic": "quick-start"}, **login("OAUTHBEARER")).finish(60).got()
    assert len(acked) == 300 and set(seen) == acked
    assert {port for _, port in dials.made()} == {6969, 6970, 6971}
    kferry.stop()
    assert not kferry.matching("any-licence-key|" + PASSWORD)
