"""`kferry check --dial` and `kferry probe` against real brokers; the command line alone is tests/cli's."""

import re

import pytest

from lab.kafka import SASL_PORT
from lab.kferry import Kferry, Listener, Upstream, binary
from lab.namespaces import broker_address
from lab.processes import run

pytestmark = [pytest.mark.quick, pytest.mark.usefixtures("needs_kferry")]


@pytest.fixture
def probe(network, scratch):
    def probe(target, *words):
        return run([binary(), "probe", target, *words], scratch / "probe.log", network.clients)

    return probe


def test_check_dials_the_upstream_and_tells_which_broker_gets_which_port(network, scratch, cluster):
    secured = Upstream("secured", cluster.bootstrap(SASL_PORT), Listener("secured", 3, "SASL_PLAINTEXT"))
    kferry = Kferry(network, scratch, cluster.bootstrap(), upstreams=[secured])
    result = kferry.run("check", "--dial")
    assert result.code == 0, result
    assert cluster.cluster_id in result.output, result
    for node_id, broker in cluster.brokers.items():
        port = kferry.listener.ports[node_id % 3]
        assert f"broker {node_id} ({broker.address()}) -> {kferry.listener.host}:{port}" in result.output, result
        assert broker.address(SASL_PORT) in result.output, result
    assert "SASL" in result.output, result


def test_check_tells_what_cannot_be_dialled_and_what_does_not_fit(network, scratch, cluster):
    nobody = Upstream("nobody", f"{broker_address(11)}:9092", Listener("nobody", 3))
    kferry = Kferry(network, scratch, cluster.bootstrap(), Listener(count=2), upstreams=[nobody])
    result = kferry.run("check", "--dial")
    assert result.code == 1, result
    assert re.search(rf"{re.escape(broker_address(11))}:9092.*connection refused", result.output), result
    assert re.search(r"broker 3 .*falls on the port of broker 1 .*give the listener ports = \"\d+-\d+\"", result.output), result


def test_probe_visits_every_port_from_a_clients_side(start_kferry, cluster, probe):
    kferry = start_kferry(cluster.bootstrap())
    result = probe(kferry.bootstrap())
    assert result.code == 0, result
    assert f"cluster {cluster.cluster_id}" in result.output and "3 brokers advertised" in result.output, result
    for node_id in cluster.brokers:
        where = f"{kferry.listener.host}:{kferry.listener.ports[node_id % 3]}"
        assert re.search(rf"^broker {node_id} {re.escape(where)} .* \d+ APIs$", result.output, re.M), result
    assert "10.77.2." not in result.output, result


def test_probe_without_credentials_before_a_sasl_listener(start_kferry, cluster, probe):
    kferry = start_kferry(cluster.bootstrap(SASL_PORT), protocol="SASL_PLAINTEXT")
    result = probe(kferry.bootstrap())
    assert result.code == 0, result
    assert "APIs" in result.output and "advertised addresses unknown" in result.output, result


@pytest.mark.may_dial_elsewhere
def test_probe_tells_what_a_client_meets_without_kferry(network, cluster, probe, dials):
    result = probe(cluster.brokers[1].address(), "--timeout", "1000")
    assert result.code == 1 and "FAILED" in result.output, result
