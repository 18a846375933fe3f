"""kferry's own discovery: a broker's port is known before the first client comes, and a failed dial looks again.

The clients are raw: nothing they say teaches kferry anything.
"""

import pytest

from lab import wire
from lab.kafka import PASSWORD, PLAIN_PORT, SASL_PORT, USER, jaas

pytestmark = [pytest.mark.quick, pytest.mark.usefixtures("needs_kferry")]


def assert_first_connections_reach(kferry, cluster, network, log_in):
    # The last port first: nothing but discovery can have told which broker is there.
    for node_id in sorted(cluster.brokers, key=lambda node_id: -(node_id % 3)):
        with network.clients.connect(kferry.listener.address_of(node_id)) as connection:
            log_in(connection)
            cluster.brokers[node_id].assert_answers(connection)


def test_ports_are_known_before_the_first_client(start_kferry, cluster, network):
    kferry = start_kferry(cluster.bootstrap())
    kferry.wait_for_log("cause=discovered .* 3 brokers: 1 2 3")
    assert_first_connections_reach(kferry, cluster, network, lambda _: None)


def test_one_reachable_bootstrap_server_is_enough(start_kferry, cluster, network):
    kferry = start_kferry(f"{cluster.brokers[1].home}:9,{cluster.brokers[3].address()}")
    kferry.wait_for_log("cause=discovered ")
    assert_first_connections_reach(kferry, cluster, network, lambda _: None)


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_ports_are_known_where_the_configuration_has_credentials(start_kferry, cluster, network, mechanism):
    kferry = start_kferry(
        cluster.bootstrap(SASL_PORT), protocol="SASL_PLAINTEXT",
        more={"KAFKA_SASL_MECHANISM": mechanism, "KAFKA_SASL_JAAS_CONFIG": jaas(mechanism)},
    )  # fmt: skip
    kferry.wait_for_log("cause=discovered .* 3 brokers: 1 2 3")
    assert_first_connections_reach(kferry, cluster, network, lambda connection: wire.log_in(connection, USER, PASSWORD))
    assert not kferry.matching(PASSWORD)


def test_refused_credentials_are_one_warning_and_clients_are_served_all_the_same(start_kferry, cluster, network):
    kferry = start_kferry(
        cluster.bootstrap(SASL_PORT), protocol="SASL_PLAINTEXT",
        more={"KAFKA_SASL_MECHANISM": "PLAIN", "KAFKA_SASL_JAAS_CONFIG": jaas("PLAIN", password="not-the-password")},
    )  # fmt: skip
    line = kferry.wait_for_log("cause=discovery_failed")
    assert "SASL_AUTHENTICATION_FAILED" in line or "authentication" in line.lower(), line
    with network.clients.connect(kferry.listener.address_of(2)) as connection:
        wire.log_in(connection, USER, PASSWORD)
        # A client's own question teaches what discovery could not learn: then each port has its broker.
        told = wire.parse_metadata(wire.ask(connection, wire.metadata_request(3))[1])
    assert {(host, port) for _, host, port in told} == set(kferry.listener.addresses())
    assert_first_connections_reach(kferry, cluster, network, lambda connection: wire.log_in(connection, USER, PASSWORD))
    assert not kferry.matching("not-the-password")


def test_raw_sasl_tokens_of_old_clients_pass(start_kferry, cluster, network):
    """After SaslHandshake v0 tokens have no header; ordinary requests follow."""
    kferry = start_kferry(
        cluster.bootstrap(SASL_PORT), protocol="SASL_PLAINTEXT",
        more={"KAFKA_SASL_MECHANISM": "PLAIN", "KAFKA_SASL_JAAS_CONFIG": jaas("PLAIN")},
    )  # fmt: skip
    kferry.wait_for_log("cause=discovered ")
    with network.clients.connect(kferry.listener.address_of(2)) as connection:
        wire.log_in_with_raw_tokens(connection, USER, PASSWORD)
        told = wire.parse_metadata(wire.ask(connection, wire.metadata_request(3))[1])
        assert {(host, port) for _, host, port in told} == set(kferry.listener.addresses())
        cluster.brokers[2].assert_answers(connection)


def test_a_failed_dial_looks_for_the_brokers_again(start_kferry, cluster, outside, network):
    kferry = start_kferry(cluster.bootstrap())
    kferry.wait_for_log("cause=discovered ")
    broker = cluster.brokers[2]
    mark = kferry.mark()
    broker.kill()
    try:
        broker.move(port=9192)
        broker.start()
        outside.do("nodes")
        # Its old address refuses: this connection gets a stand-in, or none.
        with network.clients.connect(kferry.listener.address_of(2)) as connection:
            wire.ask(connection, wire.api_versions_request(1))
        kferry.wait_for_log(r"cause=broker_moved .*broker 2 .*:9192", since=mark)
        with network.clients.connect(kferry.listener.address_of(2)) as connection:
            broker.assert_answers(connection)
    finally:
        broker.kill()
        broker.move_home()
        assert broker.port == PLAIN_PORT
        broker.start()
        outside.do("nodes")
