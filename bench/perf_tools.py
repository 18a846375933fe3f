"""kafka-producer-perf-test and kafka-consumer-perf-test through each target, before real brokers: the proxy's CPU
for each GB of records, and what the tools themselves say of throughput.

Brokers and clients share all cores but the proxy's. On two cores they fill theirs: throughput is then as much
theirs as the proxy's, and a note says so.
"""

import re

import processes
from measuring import PROXY_CORE, SATURATED
from processes import BenchError
from real_brokers import NODES, Cluster, prepare

RECORD_SIZE = 1024
PRODUCER, CONSUMER = "kafka-producer-perf-test", "kafka-consumer-perf-test"
RUN_S, START_S = {PRODUCER: 9, CONSUMER: 5}, 25


class PerfTools:
    """Rounds of the tools on `targets`; `records` are produced through each and consumed again."""

    def __init__(self, options, directory, targets, progress):
        self.options, self.targets, self.progress = options, targets, progress
        self.cores = set(processes.usable_cores()) - {PROXY_CORE}
        self.cluster = Cluster(directory, self.cores)

    def run(self, workload_list):
        names = [one.name for one in workload_list]
        samples = {name: {target.name: [] for target in self.targets} for name in names}
        try:
            prepare()
            for target in self.targets:
                target.choose_ports(NODES)
            self.cluster.start([target for target in self.targets if not target.rewrites_addresses])
            for target in self.targets:
                target.start(self.cluster.upstreams(target), PROXY_CORE)
            self.progress.say(START_S, "three Kafka brokers are ready")
            for number in range(self.options.rounds):
                turn = number % len(self.targets)
                for target in self.targets[turn:] + self.targets[:turn]:
                    for name, sample in self.pair(target, f"{target.name}-{number}").items():
                        if name in names:
                            samples[name][target.name].append({"round": number} | sample)
                            said = sample.get("error") or "{cpu_s_per_gb:.3f} s/GB, {gb_per_s:.3f} GB/s".format(
                                **sample)
                            self.progress.say(RUN_S[name], f"{name}, {target.name}: {said}")
        finally:
            for target in self.targets:
                target.stop()
            self.cluster.stop()
        return samples

    def pair(self, target, topic):
        """Produces a topic, consumes it, deletes it."""
        count = self.options.records
        broker = self.cluster.bootstrap()
        self.cluster.tool("kafka-topics", "--create", "--topic", topic, "--partitions", NODES, "--replication-factor",
                          1, "--bootstrap-server", broker)
        through = f"127.0.0.1:{target.port}"
        found = {
            PRODUCER: self.measure(target, produced, PRODUCER, "--topic", topic, "--num-records", count,
                                   "--record-size", RECORD_SIZE, "--throughput", -1, "--bootstrap-server", through)}
        if "error" not in found[PRODUCER]:
            found[CONSUMER] = self.measure(target, consumed, CONSUMER, "--topic", topic, "--num-records", count,
                                           "--timeout", 30_000, "--bootstrap-server", through)
        else:
            found[CONSUMER] = {"error": "nothing was produced"}
        self.cluster.tool("kafka-topics", "--delete", "--topic", topic, "--bootstrap-server", broker)
        return found

    def measure(self, target, read, tool, *words):
        before, busy_before = processes.cpu_seconds(target.pids()), processes.busy_seconds()
        brokers_before = processes.cpu_seconds(self.cluster.pids())
        try:
            output = self.cluster.tool(tool, *words)
            target.check_alive()
            seconds, records = read(output)
            if records != self.options.records:
                raise BenchError(f"{records} of {self.options.records} records")
        except BenchError as error:
            return {"error": str(error)}
        cpu = processes.cpu_between(before, processes.cpu_seconds(target.pids()))
        brokers = processes.cpu_between(brokers_before, processes.cpu_seconds(self.cluster.pids()))
        busy = processes.busy_seconds() - busy_before
        gigabytes = records * RECORD_SIZE / 1e9
        load_core = (busy - cpu) / seconds / len(self.cores)
        return {"cpu_s_per_gb": cpu / gigabytes, "gb_per_s": gigabytes / seconds, "proxy_core": cpu / seconds,
                "broker_cpu_s_per_gb": brokers / gigabytes, "load_filled": float(load_core > SATURATED)}


def produced(output):
    """(seconds, records) that the producer says."""
    lines = re.findall(r"^(\d+) records sent, ([\d.]+) records/sec", output, re.M)
    if not lines:
        raise BenchError("the producer says nothing of its records: " + output[-1000:])
    records, rate = lines[-1]
    return int(records) / float(rate), int(records)


def consumed(output):
    """(seconds of fetching, records) that the consumer says."""
    header = re.search(r"^start\.time, .*$", output, re.M)
    said = re.findall(r"^\d{4}-\d\d-\d\d .*, .*$", output, re.M)
    if not header or not said:
        raise BenchError("the consumer says nothing of its records: " + output[-1000:])
    values = dict(zip(header[0].split(", "), said[-1].split(", ")))
    return int(values["fetch.time.ms"]) / 1e3, int(float(values["data.consumed.in.nMsg"]))
