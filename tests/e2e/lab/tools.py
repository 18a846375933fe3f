"""Kafka's own command-line tools, run to their end in a namespace."""

import itertools

from . import kafka_jars
from .processes import Process, run

# Moved in 4.4.
_CONFIGS = (
    "kafka.admin.ConfigCommand"
    if tuple(map(int, kafka_jars.VERSION.split(".")[:2])) < (4, 4)
    else "org.apache.kafka.tools.ConfigCommand"
)
CLASSES = {
    "kafka-producer-perf-test": "org.apache.kafka.tools.ProducerPerformance",
    "kafka-consumer-perf-test": "org.apache.kafka.tools.ConsumerPerformance",
    "kafka-console-producer": "org.apache.kafka.tools.ConsoleProducer",
    "kafka-console-consumer": "org.apache.kafka.tools.consumer.ConsoleConsumer",
    "kafka-console-share-consumer": "org.apache.kafka.tools.consumer.ConsoleShareConsumer",
    "kafka-topics": "org.apache.kafka.tools.TopicCommand",
    "kafka-configs": _CONFIGS,
    "kafka-broker-api-versions": "org.apache.kafka.tools.BrokerApiVersionsCommand",
    "kafka-cluster": "org.apache.kafka.tools.ClusterTool",
    "kafka-metadata-quorum": "org.apache.kafka.tools.MetadataQuorumCommand",
    "kafka-log-dirs": "org.apache.kafka.tools.LogDirsCommand",
    "kafka-consumer-groups": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
    "kafka-transactions": "org.apache.kafka.tools.TransactionsCommand",
    "kafka-reassign-partitions": "org.apache.kafka.tools.reassign.ReassignPartitionsCommand",
    "kafka-features": "org.apache.kafka.tools.FeatureCommand",
    "kafka-leader-election": "org.apache.kafka.tools.LeaderElectionCommand",
}


class Tools:
    """Runs tools by the names of Kafka's scripts. `properties` become the file each reads its client settings from."""

    def __init__(self, namespace, directory):
        self._namespace, self._directory = namespace, directory
        self._numbers = itertools.count(1)

    def properties_file(self, properties):
        path = self._directory / f"client{next(self._numbers)}.properties"
        path.write_text("".join(f"{key}={value}\n" for key, value in properties.items()), encoding="utf-8")
        return path

    def _command(self, tool, words):
        log_path = self._directory / f"{tool}-{next(self._numbers)}.log"
        return kafka_jars.java("client", [CLASSES[tool], *words]), log_path

    def run(self, tool, *words, timeout=60, stdin=None):
        """Runs a tool to its end; it must exit with 0."""
        result = self.try_to_run(tool, *words, timeout=timeout, stdin=stdin)
        assert result.code == 0, f"{tool} {' '.join(map(str, words))}: exit {result.code}\n{result.output}"
        return result.output

    def try_to_run(self, tool, *words, timeout=60, stdin=None):
        command, log_path = self._command(tool, words)
        return run(command, log_path, self._namespace, timeout=timeout, stdin=stdin)

    def start(self, tool, *words):
        """Starts a tool that goes on until it is stopped. On the main thread."""
        command, log_path = self._command(tool, words)
        return Process(command, log_path, self._namespace)
