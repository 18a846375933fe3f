"""Clients that are not Java's, through kferry: librdkafka (Debian's and the newest), kafka-python, franz-go."""

import pathlib

import pytest

from lab import wheels
from lab.kafka import PASSWORD, SASL_PORT, USER
from lab.processes import run

CLIENTS = pathlib.Path(__file__).parent / "lab" / "clients"

pytestmark = pytest.mark.quick


@pytest.fixture
def sasl_kferry(start_kferry, cluster):
    return start_kferry(cluster.bootstrap(SASL_PORT), protocol="SASL_PLAINTEXT")


@pytest.fixture
def make_topic(outside):
    def make(name):
        outside.do("create-topic", lab={"topic": name, "assignment": "1,2/2,3/3,1"})
        return name

    return make


@pytest.fixture
def go(clients_side, scratch):
    def go(*command, stdin=None):
        result = run(command, scratch / f"{pathlib.Path(command[0]).name}.log", clients_side, stdin=stdin)
        assert result.code == 0, result
        return result.output

    return go


def test_kcat_with_plain(sasl_kferry, make_topic, go):
    topic = make_topic("kcat")
    login = ["-X", "security.protocol=SASL_PLAINTEXT", "-X", "sasl.mechanisms=PLAIN"]
    login += ["-X", f"sasl.username={USER}", "-X", f"sasl.password={PASSWORD}"]
    lines = [f"word {number}" for number in range(500)]
    go("kcat", "-P", "-b", sasl_kferry.bootstrap(), "-t", topic, *login, stdin="\n".join(lines) + "\n")
    output = go("kcat", "-C", "-e", "-q", "-o", "beginning", "-b", sasl_kferry.bootstrap(), "-t", topic, *login)
    assert sorted(output.splitlines()) == sorted(lines)
    output = go("kcat", "-L", "-b", sasl_kferry.bootstrap(), *login)
    assert output.count("broker ") >= 3, output


@pytest.mark.parametrize("client", ["confluent.py", "kafka_python.py"])
def test_python_clients(kferry, make_topic, go, client):
    topic = make_topic(f"plain-{client}")
    output = go(wheels.python(), CLIENTS / client, kferry.bootstrap(), topic, "2000")
    assert output.endswith("got 2000"), output


@pytest.mark.parametrize("client", ["confluent.py", "kafka_python.py"])
def test_python_clients_with_scram(sasl_kferry, make_topic, go, client):
    topic = make_topic(f"scram-{client}")
    output = go(wheels.python(), CLIENTS / client, sasl_kferry.bootstrap(), topic, "2000", USER, PASSWORD)
    assert output.endswith("got 2000"), output


def test_franz_go(kferry, make_topic, go):
    output = go(wheels.go_client(), kferry.bootstrap(), make_topic("franz"), "2000")
    assert output.endswith("got 2000"), output


def test_franz_go_with_scram(sasl_kferry, make_topic, go):
    output = go(wheels.go_client(), sasl_kferry.bootstrap(), make_topic("franz-scram"), "2000", USER, PASSWORD)
    assert output.endswith("got 2000"), output
