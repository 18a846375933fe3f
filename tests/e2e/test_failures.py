"""Brokers that die, come back and move, and a kferry that is restarted: clients go on, nothing acknowledged is lost."""

import re

import pytest

from lab import wire
from lab.namespaces import broker_address
from lab.processes import becomes


class Flow:
    """A producer and a consumer on one topic, replicated on all brokers; what was acknowledged is found again."""

    def __init__(self, driver, outside, topic, bootstrap=None, **properties):
        self._outside, self._topic = outside, {"topic": topic}
        outside.do("create-topic", lab={**self._topic, "assignment": "1,2,3/2,3,1/3,1,2"})
        self.producer = driver.start("producer", bootstrap, self._topic, acks="all", linger_ms=0, **properties)
        self.consumer = driver.start(
            "consumer", bootstrap, self._topic, group_id=topic, auto_offset_reset="earliest", session_timeout_ms=6000,
            heartbeat_interval_ms=1000, **properties,
        )  # fmt: skip
        self.goes_on()

    def goes_on(self, partitions=(0, 1, 2), timeout=60):
        mark = self.producer.mark()
        for partition in partitions:
            self.producer.wait(rf"acked \d+ {partition}", timeout, since=mark, count=10)
            self.consumer.wait(rf"got \S+ {partition}", timeout, since=mark, count=10)

    def finish(self):
        self.producer.stop(150)
        assert not self.producer.events("lost"), self.producer.events("lost")[:3]
        acked = self.producer.acked()
        self.consumer.until_got(acked)
        self.consumer.stop()
        reader = self._outside.do("read", lab=self._topic)
        assert acked <= set(reader.got()), f"{len(acked - set(reader.got()))} acknowledged records are gone"


def log_dirs(tools, bootstrap, node_id):
    impatient = tools.properties_file({"default.api.timeout.ms": 5000, "request.timeout.ms": 4000})
    return tools.try_to_run(
        "kafka-log-dirs", "--describe", "--bootstrap-server", bootstrap, "--broker-list", node_id,
        "--command-config", impatient,
    ).output  # fmt: skip


def directories_of_others(cluster, node_id, output):
    return [str(b.directory) for b in cluster.brokers.values() if b.node_id != node_id and str(b.directory) in output]


@pytest.mark.quick
def test_a_broker_killed_and_back(kferry, driver, outside, tools, whole_cluster):
    flow = Flow(driver, outside, "killed")
    broker = whole_cluster.brokers[2]

    def show(expected):
        output = log_dirs(tools, kferry.bootstrap(), 2)
        assert not directories_of_others(whole_cluster, 2, output), output
        assert (str(broker.directory) in output) == expected, output

    show(True)
    broker.kill()
    show(False)  # before the cluster has noticed
    flow.goes_on()
    show(False)  # and after
    broker.start()
    outside.do("elect", lab={"topic": "killed"})
    flow.goes_on()
    show(True)
    flow.finish()


@pytest.mark.quick
def test_a_stand_in_serves_bootstrap_and_closes_on_a_request_meant_for_one_broker(
    needs_kferry, kferry, network, whole_cluster
):
    broker = whole_cluster.brokers[2]
    port = kferry.listener.address_of(2)
    kferry.wait_for_log("cause=discovered ")
    with network.clients.connect(port) as connection:
        assert wire.ask(connection, wire.api_versions_request(1))[0] == 1
        broker.assert_answers(connection)
        broker.kill()
        assert wire.is_over(connection)
    for _ in range(3):
        with network.clients.connect(port) as connection:
            assert wire.ask(connection, wire.api_versions_request(1))[0] == 1
            told = wire.parse_metadata(wire.ask(connection, wire.metadata_request(2))[1])
            assert told and {(host, where) for _, host, where in told} <= set(kferry.listener.addresses()), told
            assert wire.ask(connection, wire.log_dirs_request(3)) is None
    assert kferry.matching("cause=stand_in_refused .*broker 2 .*cannot be reached")
    broker.start()

    def is_back():
        with network.clients.connect(port) as connection:
            answer = wire.ask(connection, wire.log_dirs_request(4))
            return answer is not None and str(broker.directory).encode() in answer[1]

    assert becomes(is_back)


@pytest.mark.parametrize(
    "host, port",
    [pytest.param(broker_address(6), None, id="host", marks=pytest.mark.quick), pytest.param(None, 9192, id="port")],
)
def test_a_broker_back_at_another_address(kferry, driver, outside, network, whole_cluster, request, host, port):
    # No address in it: kafka-log-dirs lists topics, and other tests look for addresses in what tools are told.
    topic = "moved-port" if port else "moved-host"
    flow = Flow(driver, outside, topic)
    broker = whole_cluster.brokers[2]
    broker.kill()
    flow.goes_on()
    broker.move(host, port)
    broker.start()
    outside.do("elect", lab={"topic": topic})
    flow.goes_on()
    if not request.config.getoption("--direct"):
        with network.clients.connect(kferry.listener.address_of(2)) as connection:
            broker.assert_answers(connection)
    flow.finish()


@pytest.mark.quick
def test_bootstrap_while_the_first_ports_broker_is_down(start_kferry, driver, outside, whole_cluster):
    known = start_kferry(whole_cluster.bootstrap())
    whole_cluster.brokers[3].kill()  # 3 mod 3: the first port is its
    unknown = start_kferry(whole_cluster.bootstrap())
    for name, kferry in (("known", known), ("unknown", unknown)):
        topic = {"topic": f"first-down-{name}"}
        outside.do("create-topic", lab={**topic, "assignment": "1,2/2,1"})
        at = kferry.bootstrap(0)
        producer = driver.start("producer", at, {**topic, "count": 100}, acks="all").finish(60)
        assert len(producer.acked()) == 100
        consumer = driver.start("consumer", at, topic, group_id=topic["topic"], auto_offset_reset="earliest")
        consumer.wait("got", 60, count=100)
        assert set(consumer.got()) == producer.acked()
        consumer.stop()
    whole_cluster.brokers[3].start()
    outside.do("reassign", lab={"topic": "first-down-unknown", "partition": 0, "replicas": "3"})
    for kferry in (known, unknown):
        producer = driver.start(
            "producer", kferry.bootstrap(0), {"topic": "first-down-unknown", "count": 100}, acks="all"
        )
        assert len(producer.finish(60).acked()) == 100


@pytest.mark.parametrize(
    "ending", [pytest.param("stop", marks=pytest.mark.quick), pytest.param("kill", marks=pytest.mark.quick)]
)
def test_kferry_restarted_under_load(needs_kferry, kferry, driver, outside, ending):
    flow = Flow(driver, outside, f"restarted-{ending}")
    for _ in range(2):
        if ending == "stop":
            kferry.stop(30)
        else:
            kferry.kill()
        kferry.start()
        flow.goes_on()
    flow.finish()


@pytest.mark.quick
def test_two_brokers_on_one_port_leave_the_higher_id_out(
    needs_kferry, start_kferry, driver, outside, tools, cluster, network
):
    kferry = start_kferry(cluster.bootstrap(), count=2)  # 1 and 3 share the second port
    first = kferry.listener.first
    topic = {"topic": "two-ports"}
    outside.do("create-topic", lab={**topic, "assignment": "1,2/2,1"})
    producer = driver.start("producer", kferry.bootstrap(), {**topic, "count": 500}, acks="all").finish(60)
    assert len(producer.acked()) == 500
    reader = driver.start("read", kferry.bootstrap(), topic).finish(60)
    assert set(reader.got()) == producer.acked()

    def coordinators():
        found = set()
        for number in range(30):  # on three partitions of __consumer_offsets
            body = wire.ask(connection, wire.find_coordinator_request(number, f"group-{number}"))[1]
            found.add(wire.parse_find_coordinator(body))
        return found

    one, two, none = (0, 1, kferry.listener.host, first + 1), (0, 2, kferry.listener.host, first), (15, -1, "", -1)
    with network.clients.connect(kferry.listener.addresses()[0]) as connection:
        told = wire.parse_metadata(wire.ask(connection, wire.metadata_request(1))[1])
        assert becomes(lambda: coordinators() != {none})  # the first question creates the topic
        outside.do("elect", lab={"topic": "__consumer_offsets"})
        assert becomes(lambda: coordinators() == {one, two, none}), coordinators()
    assert sorted(told) == [one[1:], two[1:]]
    output = log_dirs(tools, kferry.bootstrap(), 3)
    assert not directories_of_others(cluster, 3, output) and str(cluster.brokers[3].directory) not in output, output
    output = tools.run("kafka-cluster", "list-endpoints", "--bootstrap-server", kferry.bootstrap())
    assert "10.77.2." not in output and not re.search(r"^3\s", output, re.M), output

    said = kferry.matching(rf"\b{first}-{first + 2}\b")
    assert len(said) == 1, f"one line names the list that would fit: {kferry.log()}"
    assert kferry.matching("degraded")
