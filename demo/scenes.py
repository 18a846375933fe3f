"""The two scenes that the demonstration can be played in: each has a cluster of three brokers, a network
namespace for the client, and one for the gateway, which is as far as the client's network goes.

    client 10.77.1.2 ── 10.77.1.1 gateway ── brokers

Embedded: librdkafka's mock cluster. It listens and advertises on 127.0.0.1 only, so the gateway is in the
brokers' own namespace; the client's 127.0.0.1 is another. RealKafka: three nodes in a third namespace.
"""

import time
from types import SimpleNamespace

from lab import kafka_jars
from lab.kafka import Cluster, prepare_archive
from lab.kferry import Kferry
from lab.namespaces import CLIENT, MIDDLE_TO_CLIENTS, Namespace, Network
from lab.processes import Process
from lab.tools import Tools

from clients import Kcat, PerfTest, Refused

TOPIC = "orders"
GATEWAY = MIDDLE_TO_CLIENTS
PLAIN_PORT = 9092


class Embedded:
    cluster = "librdkafka's mock cluster of three brokers"
    unreachable = ("127.0.0.1 stands for an address that leads nowhere from where the client is. It could as "
                   "well be kafka-1.internal, or an address of a network that the client has no route to.")
    picture = """
        client's network              network of the brokers
        ┌───────────────┐             ┌────────────────────────────────────────────────────┐
        │ Kafka client  ├─────────────┤ gateway                     broker 1  127.0.0.1:…  │
        │ 10.77.1.2     │  10.77.1.1  │ a plain proxy, then kferry  broker 2  127.0.0.1:…  │
        └───────────────┘             │                             broker 3  127.0.0.1:…  │
                                      └────────────────────────────────────────────────────┘
    """

    def __init__(self, screen, directory, mock_cluster):
        self.directory = directory
        self.clients, self.gateway = Namespace("clients"), Namespace("brokers")
        wire = [(self.clients, "eth0", CLIENT), (self.gateway, "to-clients", GATEWAY)]
        peer = ["peer", "name", "eth0", "netns", self.clients.name]
        self.gateway.ip("link", "add", "to-clients", "type", "veth", *peer)
        for namespace, device, address in wire:
            namespace.ip("address", "add", f"{address}/24", "dev", device)
            namespace.ip("link", "set", device, "up")
        screen.step(f"starting {self.cluster}")
        process = Process([mock_cluster, TOPIC], directory / "brokers.log", self.gateway)
        self.bootstrap = process.wait_for_line(r"^bootstrap (\S+)", 10)[1]
        self.client = Kcat(screen, self.clients, directory, TOPIC)
        self.watched = [process]


class RealKafka:
    cluster = f"three brokers of Apache Kafka {kafka_jars.VERSION}"
    unreachable = ("These are addresses of a network that the client has no route to: nobody forwards what "
                   "it sends there.")
    picture = """
        client's network                                          network of the brokers
        ┌───────────────┐            ┌──────────────────┐         ┌───────────────────────────┐
        │ Kafka client  ├────────────┤ gateway          ├─────────┤ broker 1  10.77.2.10:9092 │
        │ 10.77.1.2     │  10.77.1.1 │ a plain proxy,   │         │ broker 2  10.77.2.11:9092 │
        └───────────────┘            │ then kferry      │         │ broker 3  10.77.2.12:9092 │
                                     └──────────────────┘         └───────────────────────────┘
                                       forwards nothing
    """

    def __init__(self, screen, directory, _mock_cluster):
        self.directory = directory
        if not (kafka_jars.CACHE / "jars").is_dir():
            screen.step("fetching Apache Kafka's jars from Maven Central, 54 MB, once")
        kafka_jars.prepare()
        network = Network()
        self.clients, self.gateway = network.clients, network.middle
        if not kafka_jars.archive_path("broker").exists():
            screen.step("making the class data archive that halves a broker's start, once")
        prepare_archive(network, directory / "archive")
        screen.step(f"starting {self.cluster}")
        cluster = Cluster(network, directory / "cluster")
        cluster.start()
        self.bootstrap = cluster.bootstrap()
        Tools(network.brokers, directory).run(
            "kafka-topics", "--bootstrap-server", self.bootstrap, "--create", "--topic", TOPIC,
            "--replica-assignment", "1:2:3,2:3:1,3:1:2")
        self.client = PerfTest(screen, self.clients, directory, TOPIC)
        self.watched = [broker.process for broker in cluster.brokers.values()]


def start_plain_proxy(scene):
    """HAProxy, which passes TCP on to one of the brokers and knows nothing of Kafka. Returns its address."""
    brokers = enumerate(scene.bootstrap.split(","), 1)
    servers = "".join(f"  server broker{number} {address}\n" for number, address in brokers)
    configuration = scene.directory / "haproxy.cfg"
    timeouts = "".join(f"  timeout {what} 60s\n" for what in ("connect", "client", "server"))
    configuration.write_text(f"defaults\n  mode tcp\n{timeouts}"
                             f"listen kafka\n  bind {GATEWAY}:{PLAIN_PORT}\n{servers}", encoding="ascii")
    command = ["haproxy", "-db", "-f", configuration]
    process = Process(command, scene.directory / "haproxy.log", scene.gateway)
    deadline = time.monotonic() + 10
    while True:  # HAProxy does not say when it listens
        try:
            scene.gateway.connect((GATEWAY, PLAIN_PORT)).close()
            break
        except ConnectionRefusedError:
            if time.monotonic() > deadline or not process.running():
                raise Refused("HAProxy does not listen", process.lines()) from None
            time.sleep(0.02)
    scene.watched.append(process)
    return f"{GATEWAY}:{PLAIN_PORT}"


def start_kferry(scene):
    """kferry, configured by its environment alone. It is ready when this returns."""
    kferry = Kferry(SimpleNamespace(middle=scene.gateway), scene.directory, scene.bootstrap,
                    more={"GATEWAY_MIN_BROKERID": "1"})
    kferry.start()
    scene.watched.append(kferry.process)
    return kferry
