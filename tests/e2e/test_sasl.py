"""SASL through kferry, end to end between client and broker: kferry sees it pass and holds no password."""

import re

import pytest

from lab.kafka import PASSWORD, REAUTH_PORT, SASL_PORT, jaas
from test_tools import consumed

pytestmark = pytest.mark.quick

MECHANISMS = ["PLAIN", "SCRAM-SHA-512", "OAUTHBEARER"]


def login(mechanism, **wrong):
    properties = {
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": mechanism,
        "sasl.jaas.config": jaas(mechanism, **wrong),
    }
    if mechanism == "OAUTHBEARER":
        internals = "org.apache.kafka.common.security.oauthbearer.internals"
        properties["sasl.login.callback.handler.class"] = f"{internals}.unsecured.OAuthBearerUnsecuredLoginCallbackHandler"
    return properties


@pytest.fixture
def kferry(start_kferry, cluster):
    """In front of the brokers' SASL listeners, without credentials of its own."""
    return start_kferry(cluster.bootstrap(SASL_PORT), protocol="SASL_PLAINTEXT")


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_perf_tools_with_sasl(kferry, outside, tools, mechanism):
    topic = f"sasl-{mechanism}"
    outside.do("create-topic", lab={"topic": topic, "assignment": "1,2/2,3/3,1"})
    properties = tools.properties_file(login(mechanism))
    output = tools.run(
        "kafka-producer-perf-test", "--topic", topic, "--num-records", 10_000, "--record-size", 1024,
        "--throughput", -1, "--bootstrap-server", kferry.bootstrap(), "--command-config", properties,
    )  # fmt: skip
    assert re.search(r"^10000 records sent", output, re.M), output
    output = tools.run(
        "kafka-consumer-perf-test", "--topic", topic, "--num-records", 10_000, "--timeout", 20_000,
        "--bootstrap-server", kferry.bootstrap(), "--command-config", properties,
    )  # fmt: skip
    assert consumed(output) == 10_000, output


def test_a_wrong_password_is_refused_by_the_broker_and_not_logged(kferry, request, driver):
    client = driver.start("producer", lab={"topic": "none"}, **login("PLAIN", password="not-the-password"))
    said = client.wait("failed", 20).string
    assert "SaslAuthenticationException" in said, said
    if not request.config.getoption("--direct"):
        assert not kferry.matching("not-the-password")


def test_sessions_that_authenticate_again_go_on(start_kferry, cluster, outside, driver):
    kferry = start_kferry(cluster.bootstrap(REAUTH_PORT), protocol="SASL_PLAINTEXT")
    outside.do("create-topic", lab={"topic": "reauth", "assignment": "1,2/2,3/3,1"})
    producers = {
        mechanism: driver.start(
            "producer", kferry.bootstrap(), {"topic": "reauth", "interval.ms": 10}, acks="all", linger_ms=0, **login(mechanism)
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


def test_discovery_with_plain_credentials_knows_every_port_before_the_first_client(start_kferry, cluster, request):
    if request.config.getoption("--direct"):
        pytest.skip("about kferry alone")
    for mechanism in ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"):
        kferry = start_kferry(
            cluster.bootstrap(SASL_PORT), protocol="SASL_PLAINTEXT",
            more={"KAFKA_SASL_MECHANISM": mechanism, "KAFKA_SASL_JAAS_CONFIG": jaas(mechanism)},
        )  # fmt: skip
        for node_id in (1, 2, 3):
            kferry.wait_for_log(rf"\b{node_id}\b.*{re.escape(cluster.brokers[node_id].address(SASL_PORT))}")
        assert not kferry.matching(PASSWORD)
