"""kafka-producer-perf-test and kafka-consumer-perf-test through each target, before real brokers: the proxy's CPU
for each GB of records, and what the tools themselves say of throughput.

Brokers and clients have all cores but the proxy's, if those are two at least; else they share it: four JVMs on one
core spend their time compiling. What the kernel charges to the proxy stays its own. Where they fill the machine,
throughput is as much theirs as the proxy's, and a note says so.
"""

import re
import resource
import time

import processes
from measuring import PROXY_CORE
from processes import BenchError
from real_brokers import NODES, Cluster, prepare

RECORD_SIZE = 1024
FILLED = 0.8  # of the cores of brokers and clients, on average over a tool's run, its JVM's start included
PRODUCER, CONSUMER = "kafka-producer-perf-test", "kafka-consumer-perf-test"
RUN_S, START_S = {PRODUCER: 7, CONSUMER: 5}, 55
# The topic of the first runs, which are no figures: the brokers' code is compiled in them. After one of them produce
# still went three times faster at a round's end than at its beginning.
WARM_UP, WARM_UPS = "warm-up", 2


class PerfTools:
    """Rounds of the tools on `targets`; `records` are produced through each and consumed again."""

    def __init__(self, options, directory, targets, progress):
        self.options, self.targets, self.progress = options, targets, progress
        every = set(processes.usable_cores())
        self.cores = every - {PROXY_CORE} if len(every) > 2 else every
        self.cluster = Cluster(directory, self.cores)

    def run(self, workload_list):
        """Both tools, whichever are asked for: what is consumed must have been produced."""
        samples = {name: {target.name: [] for target in self.targets} for name in (PRODUCER, CONSUMER)}
        try:
            prepare()
            for target in self.targets:
                target.choose_ports(NODES)
            self.cluster.start([target for target in self.targets if not target.rewrites_addresses])
            for target in self.targets:
                target.start(self.cluster.upstreams(target), PROXY_CORE)
            self.warm_up()
            self.progress.say(START_S, "three Kafka brokers are ready and warm")
            for number in range(self.options.rounds):
                turn = number % len(self.targets)
                for target in self.targets[turn:] + self.targets[:turn]:
                    for name, sample in self.pair(target, f"{target.name}-{number}"):
                        samples[name][target.name].append({"round": number} | sample)
                        said = sample.get("error") or "{cpu_s_per_gb:.3f} s/GB, {gb_per_s:.3f} GB/s".format(**sample)
                        self.progress.say(RUN_S[name], f"{name}, {target.name}: {said}")
                self.cluster.delete_topics(f".*-{number}")
        finally:
            for target in self.targets:
                target.stop()
            self.cluster.stop()
        return {one.name: samples[one.name] for one in workload_list}

    def warm_up(self):
        for tool, words in ((PRODUCER, self.produce(WARM_UP)), (CONSUMER, self.consume(WARM_UP))) * WARM_UPS:
            self.cluster.tool(tool, *words, "--bootstrap-server", self.cluster.bootstrap())
        self.cluster.delete_topics(WARM_UP)

    def produce(self, topic):
        return ("--topic", topic, "--num-records", self.options.records, "--record-size", RECORD_SIZE,
                "--throughput", -1)

    def consume(self, topic):
        return "--topic", topic, "--num-records", self.options.records, "--timeout", 30_000

    def pair(self, target, topic):
        """Produces a topic, which the brokers create for it, and consumes it: (tool, sample) of each."""
        found = self.measure(target, produced, PRODUCER, *self.produce(topic))
        yield PRODUCER, found
        if "error" in found:
            yield CONSUMER, {"error": "nothing was produced"}
        else:
            yield CONSUMER, self.measure(target, consumed, CONSUMER, *self.consume(topic))

    def measure(self, target, read, tool, *words):
        words = (*words, "--bootstrap-server", f"127.0.0.1:{target.port}")
        before, busy_before = processes.cpu_seconds(target.pids()), processes.busy_seconds()
        brokers_before = processes.cpu_seconds(self.cluster.pids())
        tool_before, began = ended_children_seconds(), time.monotonic()
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
        wall = time.monotonic() - began
        load = brokers + ended_children_seconds() - tool_before
        others = processes.busy_seconds() - busy_before - cpu - load
        gigabytes = records * RECORD_SIZE / 1e9
        room = len(self.cores) * wall - (cpu if PROXY_CORE in self.cores else 0)
        return {"cpu_s_per_gb": cpu / gigabytes, "gb_per_s": gigabytes / seconds, "proxy_core": cpu / seconds,
                "broker_cpu_s_per_gb": brokers / gigabytes, "others_cores": max(0.0, others / wall),
                "load_filled": float(load > FILLED * room)}


def ended_children_seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


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
