"""Three real Apache Kafka nodes on loopback, for Kafka's own perf tools. The jars and JVM flags are the end-to-end
laboratory's (tests/e2e/lab).

A plain TCP proxy cannot rewrite what clients are told, so for each the brokers have one more listener, which
advertises that proxy's ports: the fair way to measure it.
"""

import subprocess
import sys
import time
from pathlib import Path

import processes
from processes import BenchError
from targets import addresses, free_port

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests/e2e"))
from lab import kafka_jars  # noqa: E402  the path comes first
from lab.tools import CLASSES  # noqa: E402

NODES = 3
READY = "Kafka Server started"
READY_TIMEOUT_S, TOOL_TIMEOUT_S = 90, 180
CLUSTER_ID = "kferryBenchCluster0001"
OWN = "DIRECT"


def prepare():
    """Fetches the jars by Maven, once."""
    kafka_jars.prepare()


class Cluster:
    """`cores` are the JVMs', the tools' too; start() returns when all nodes are ready."""

    def __init__(self, directory, cores):
        self.directory, self.cores = directory / "kafka", cores
        self.directory.mkdir()
        self.nodes = []
        self.ports = {}  # by listener

    def start(self, plain_targets):
        self.ports = {name: [free_port() for _ in range(NODES)]
                      for name in (OWN, "CONTROLLER", *(listener_of(target) for target in plain_targets))}
        for node in range(NODES):
            self.configure(node, plain_targets)
            self.java(f"format{node}", "kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", self.file(node))
        for node in range(NODES):
            with open(self.log(node), "wb") as log:
                self.nodes.append(processes.start(
                    kafka_jars.java("broker", ["kafka.Kafka", self.file(node)], "640m", full_speed(), archived=False),
                    self.cores, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT))
        deadline = time.monotonic() + READY_TIMEOUT_S
        while not all(READY in self.log(node).read_text(errors="replace") for node in range(NODES)):
            ended = [node for node, process in enumerate(self.nodes) if process.poll() is not None]
            if ended or time.monotonic() > deadline:
                log = self.log(ended[0] if ended else 0).read_text(errors="replace")[-2000:]
                raise BenchError(f"the Kafka brokers do not become ready:\n{log}")
            time.sleep(0.2)

    def file(self, node):
        return self.directory / f"node{node}.properties"

    def log(self, node):
        return self.directory / f"node{node}.log"

    def configure(self, node, plain_targets):
        ports = {name: ports[node] for name, ports in self.ports.items()}
        advertised = {name: port for name, port in ports.items() if name != "CONTROLLER"}
        advertised |= {listener_of(target): target.ports[node] for target in plain_targets}
        def listeners(of):
            return ",".join(f"{name}://127.0.0.1:{port}" for name, port in of.items())
        lines = [
            "process.roles=broker,controller", f"node.id={node + 1}",
            "controller.quorum.voters=" + ",".join(
                f"{number + 1}@127.0.0.1:{port}" for number, port in enumerate(self.ports["CONTROLLER"])),
            f"listeners={listeners(ports)}", f"advertised.listeners={listeners(advertised)}",
            "listener.security.protocol.map=" + ",".join(f"{name}:PLAINTEXT" for name in ports),
            f"inter.broker.listener.name={OWN}", "controller.listener.names=CONTROLLER",
            f"log.dirs={self.directory / f'node{node}'}",
            "offsets.topic.num.partitions=3", "offsets.topic.replication.factor=3",
            "transaction.state.log.num.partitions=3", "transaction.state.log.replication.factor=3",
            "share.coordinator.state.topic.num.partitions=3", "share.coordinator.state.topic.replication.factor=3",
            "group.initial.rebalance.delay.ms=0", f"num.partitions={NODES}",
            "log.cleaner.dedupe.buffer.size=10485760", "log.segment.delete.delay.ms=0", "num.network.threads=2",
            "num.io.threads=4", "max.connections.per.ip=10000",
        ]
        self.file(node).write_text("\n".join(lines) + "\n")

    def java(self, log_name, *words):
        """A tool to its end; its output."""
        process = processes.start(kafka_jars.java("client", words, "512m"), self.cores, stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            output, _ = process.communicate(timeout=TOOL_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            processes.stop(process)
            raise BenchError(f"{words[0]} was not done after {TOOL_TIMEOUT_S} s") from None
        (self.directory / f"{log_name}.log").write_text(output)
        if process.returncode != 0:
            raise BenchError(f"{words[0]} ended with {process.returncode}: {output[-1500:]}")
        return output

    def tool(self, name, *words):
        return self.java(name, CLASSES[name], *words)

    def delete_topics(self, pattern):
        self.tool("kafka-topics", "--delete", "--topic", pattern, "--bootstrap-server", self.bootstrap())

    def bootstrap(self):
        return addresses(self.ports[OWN])

    def upstreams(self, target):
        """The ports of the brokers behind a proxy."""
        return self.ports[OWN if target.rewrites_addresses else listener_of(target)]

    def pids(self):
        return [process.pid for process in self.nodes]

    def stop(self):
        for process in self.nodes:
            processes.stop(process)


def listener_of(target):
    return "".join(letter for letter in target.name.upper() if letter.isalnum())


def full_speed():
    """The laboratory's JVMs compile for a quick start, and so do the tools; brokers run long enough for more."""
    return ["-XX:TieredStopAtLevel=4"]
