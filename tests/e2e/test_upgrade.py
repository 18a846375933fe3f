"""kferry is upgraded and drained while Kafka's clients run: no error reaches them, nothing acknowledged is lost or doubled."""

import collections
import pathlib

import pytest

from lab import wheels
from lab.driver import Client
from lab.kferry import Listener, Upstream
from lab.processes import Process
from test_failures import Flow

CLIENTS = pathlib.Path(__file__).parent / "lab" / "clients"
DRAIN_DEADLINE_S = 10

pytestmark = pytest.mark.usefixtures("needs_kferry")


class ExactlyOnce:
    """An idempotent producer, or a transactional one: what it was told is there is there once."""

    def __init__(self, driver, outside, verb, topic, **properties):
        self._outside, self._topic = outside, {"topic": topic}
        outside.do("create-topic", lab={**self._topic, "assignment": "1,2,3/2,3,1/3,1,2"})
        self.producer = driver.start(verb, lab=self._topic, acks="all", linger_ms=0, **properties)
        self.goes_on()

    def goes_on(self):
        mark = self.producer.mark()
        for partition in range(3):
            self.producer.wait(rf"acked \d+ {partition}", 60, since=mark, count=5)

    def finish(self):
        self.producer.stop(150)
        assert not self.producer.events("lost"), self.producer.events("lost")[:3]
        got = collections.Counter(self._outside.do("read", lab=self._topic, isolation_level="read_committed").got())
        assert not [value for value, times in got.items() if times > 1]
        missing = self.producer.acked() - set(got)
        assert not missing, f"{len(missing)} acknowledged records are gone"


class Patient:
    """A consumer whose Fetch waits for four minutes at the broker, on a topic to which a record comes now and then."""

    def __init__(self, driver, outside):
        self._outside, self._topic, self._sent = outside, {"topic": "patient"}, set()
        outside.do("create-topic", lab={**self._topic, "assignment": "1,2,3/2,3,1/3,1,2"})
        self.consumer = driver.start(
            "consumer", lab=self._topic, group_id="patient", auto_offset_reset="earliest", session_timeout_ms=30_000,
            fetch_max_wait_ms=240_000, request_timeout_ms=300_000, max_poll_interval_ms=600_000,
        )  # fmt: skip
        self.consumer.wait("assigned", 60)

    def finish(self):
        """Records that come now are got soon, although the Fetch before may have ended with a connection."""
        sent = self._outside.do("producer", lab={**self._topic, "count": 30}, acks="all").acked()
        self.consumer.until_got(sent, 30)
        self.consumer.stop(60)  # its last Fetch holds up close() for half a minute


class Sharing:
    """A share group on the topic of a producer: each of its records comes at least once."""

    def __init__(self, driver, outside, flow, topic):
        self._flow = flow
        outside.do("group-config", lab={"group": "sharing", "set": "share.auto.offset.reset=earliest"})
        self._consumer = driver.start("share", lab={"topic": topic}, group_id="sharing")
        self.goes_on()

    def goes_on(self):
        self._consumer.wait("got", 60, since=self._consumer.mark(), count=10)

    def finish(self):
        self._consumer.until_got(self._flow.producer.acked(), 60)
        self._consumer.stop()


class Follower:
    """librdkafka 2.1 over TLS: a producer and a consumer that were seen to lose their place when TLS ended badly."""

    def __init__(self, bootstrap, outside, authority, namespace, scratch):
        self._outside, self._topic = outside, {"topic": "follower"}
        outside.do("create-topic", lab={**self._topic, "assignment": "1,2,3/2,3,1/3,1,2"})
        command = [wheels.python_with_older_librdkafka(), CLIENTS / "confluent_follow.py", bootstrap, "follower"]
        words = ["security.protocol=ssl", f"ssl.ca.location={authority.certificate}"]
        self._process = Process([*command, *words], scratch / "follower.log", namespace, stdin=True)
        self._producer, self._consumer = Client(self._process, "producer"), Client(self._process, "consumer")
        self.goes_on()

    def goes_on(self):
        mark = self._producer.mark()
        for partition in range(3):
            self._producer.wait(rf"acked \d+ {partition}", 60, since=mark, count=5)
            self._consumer.wait(rf"got \S+ {partition}", 60, since=mark, count=5)

    def finish(self):
        self._process.stdin.close()
        self._producer.finish(60)
        assert not self._producer.events("lost")
        assert self._producer.acked() <= set(self._outside.do("read", lab=self._topic).got())
        self._consumer.until_got(self._producer.acked())
        # A consumer that resets its offsets gets everything once more; a rebalance may repeat what was not committed.
        offsets = collections.defaultdict(list)
        for _, partition, offset in self._consumer.events("got"):
            offsets[partition].append(int(offset))
        for each in offsets.values():
            assert each.count(0) <= 1, "the consumer began anew"
        self._process.kill()


@pytest.fixture
def start_upgradable(start_kferry):
    """A kferry with a control socket."""

    def start(*words, **more):
        return start_kferry(*words, control=True, limits={"drain_deadline_s": DRAIN_DEADLINE_S}, **more)

    return start


@pytest.mark.quick
def test_an_upgrade_and_a_drain_under_producers_and_a_consumer(start_upgradable, start_driver, outside, cluster):
    kferry = start_upgradable(cluster.bootstrap())
    driver = start_driver(kferry.bootstrap())
    flow = Flow(driver, outside, "upgrade", enable_idempotence="false")
    once = ExactlyOnce(driver, outside, "producer", "upgrade-once", enable_idempotence="true")
    kferry.upgrade()
    flow.goes_on()
    once.goes_on()
    assert "ended in order" in kferry.drain().output
    kferry.start()
    flow.goes_on()
    once.goes_on()
    flow.finish()
    once.finish()


def test_twenty_upgrades_and_five_drains_under_every_kind_of_client(
    start_upgradable, start_driver, outside, cluster, authority, clients_side, scratch
):
    certificate = authority.issue("upgraded", f"IP:{Listener().host}").pem()
    secure = Listener("secure", protocol="SSL", tls={"certificate": certificate})
    upstream = Upstream("secure", cluster.bootstrap(), secure, security_protocol="PLAINTEXT")
    kferry = start_upgradable(cluster.bootstrap(), upstreams=[upstream])
    driver = start_driver(kferry.bootstrap())
    flow = Flow(driver, outside, "upgrades", enable_idempotence="false")
    flows = [
        flow,
        ExactlyOnce(driver, outside, "producer", "upgrades-once", enable_idempotence="true"),
        ExactlyOnce(driver, outside, "transactions", "upgrades-committed"),
        Follower(secure.bootstrap(), outside, authority, clients_side, scratch),
        Sharing(driver, outside, flow, "upgrades"),
    ]
    patient = Patient(driver, outside)
    for number in range(25):
        if number % 5 == 4:
            kferry.drain()
            kferry.start()
        else:
            kferry.upgrade()
        for each in flows:
            each.goes_on()
    for each in [*flows, patient]:
        each.finish()
