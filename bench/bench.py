#!/usr/bin/python3
"""kferry beside direct and HAProxy on Kafka-framed load, in one run. See README.md for what is compared with what.

    bench/bench.py --build build-bench            # about five minutes
    bench/bench.py --build build-bench --quick    # under a minute: a smoke test, not a figure to quote
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from shutil import which

import processes
import report
import targets
from processes import BenchError

LOAD_CORE, PROXY_CORE = 0, 1
SATURATED = 0.95  # of its core, while the proxy is below it: then the load generator is what was measured
RUN_TIMEOUT_S = 60
IDLE_CONNECTIONS = 2000
KIB = 1024

# The marks: against HAProxy's default in the same round, and absolute.
CPU_PER_GB_MARK = 0.60
CPU_PER_REQUEST_MARK = 1.00
IDLE_CONNECTION_MARK_BYTES = 2048


# Full handshakes for each CPU second, against HAProxy's.
HANDSHAKES_MARK = 2.0
# Where TLS is spoken.
PLAIN, LISTENER_TLS, BOTH_TLS = "", "TLS to plaintext", "TLS to TLS"


@dataclass(frozen=True)
class Workload:
    name: str
    drive: tuple  # load's options
    metric: str
    ratio_mark: float | None
    quick: bool = False
    tls: str = PLAIN


def small(connections, quick=False):
    return Workload(f"small x{connections}", ("--workload", "small", "--connections", connections),
                    "cpu_us_per_request", CPU_PER_REQUEST_MARK, quick)


def churn(name, tls, *options, mark=None, quick=False):
    return Workload(f"new connections, {name}", ("--workload", "churn", "--connections", 16, *options),
                    "cpu_us_per_request", mark, quick, tls)


def in_tls(tls, workload, quick=False):
    return replace(workload, name=f"{tls}: {workload.name}", tls=tls, quick=quick)


def frames(kind, version, size_kib, connections, note="", partitions=1, depth=1, quick=False):
    size = f"{size_kib // 1024} MiB" if size_kib >= 1024 else f"{size_kib} KiB"
    return Workload(f"{kind} v{version} {size} x{connections}{note}",
                    ("--workload", kind, "--version", version, "--size", size_kib * KIB, "--connections",
                     connections, "--partitions", partitions, "--depth", depth),
                    "cpu_s_per_gb", CPU_PER_GB_MARK, quick)


WORKLOADS = [
    small(1, quick=True), small(64, quick=True),
    *(frames("fetch", 15, size, connections, quick=(size, connections) == (256, 4))
      for size in (16, 256, 1024) for connections in (1, 4, 16)),
    # The structure is walked and its tail looked at; 15 above passes unseen.
    frames("fetch", 17, 16, 4), frames("fetch", 17, 256, 4, " 10 partitions", partitions=10, quick=True),
    frames("fetch", 17, 1024, 4, " 10 partitions", partitions=10),
    # Five in flight, as Java's producer has; the answer to 10 is decoded, to 9 opaque.
    frames("produce", 10, 16, 4, depth=5), frames("produce", 9, 256, 4, depth=5),
    frames("produce", 10, 256, 4, depth=5, quick=True), frames("produce", 10, 1024, 4, depth=5),
    # TLS 1.3, P-256, AES-128-GCM on every side.
    churn("plaintext", PLAIN),
    churn("full handshakes", LISTENER_TLS, mark=1 / HANDSHAKES_MARK, quick=True),
    churn("resumed", LISTENER_TLS, "--resume"),
    *(in_tls(tls, workload, quick=tls == BOTH_TLS and "v15" in workload.name)
      for tls in (LISTENER_TLS, BOTH_TLS)
      for workload in (small(64), frames("fetch", 15, 256, 4), frames("produce", 10, 256, 4, depth=5))),
]


class Bench:
    def __init__(self, options, directory, tls=PLAIN):
        self.options = options
        self.tls = tls
        self.directory = directory
        self.broker = None
        self.broker_port = 0
        self.targets = [targets.Direct(directory), targets.Kferry(directory, options.kferry, options.engine)]
        if options.haproxy:
            self.targets.append(targets.HaproxyTcp(directory, options.haproxy))
        for target in self.targets:
            target.listener_tls = tls != PLAIN
            target.upstream_tls = tls == BOTH_TLS
        if options.only:
            self.targets = [one for one in self.targets if one.name in options.only]
        self.proxies = [one for one in self.targets if one.name != "direct"]

    def start_broker(self):
        command = [self.options.load, "--serve", "127.0.0.1:0"]
        if self.tls == BOTH_TLS:
            command += ["--certificate", self.directory / "side.pem"]
        self.broker = processes.start(command, LOAD_CORE,
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        line = self.broker.stdout.readline().split()
        if len(line) != 2:
            raise BenchError("the fake broker does not start: " + self.broker.stderr.read())
        self.broker_port = int(line[1])

    def close(self):
        for target in self.targets:
            target.stop()
        processes.stop(self.broker)

    def drive(self, target, arguments):
        """load's client, connected to the target; the caller waits for it."""
        command = [self.options.load, "--drive", f"127.0.0.1:{target.port}", *arguments]
        if self.tls == BOTH_TLS or (self.tls == LISTENER_TLS and target.name != "direct"):
            command += ["--authority", self.directory / "ca.crt"]
        return processes.start(command, LOAD_CORE, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)

    def fail_run(self, target, driver, what):
        processes.stop(driver)
        reasons = [driver.stderr.read().strip()]
        target.check_alive()
        if self.broker.poll() is not None:
            reasons.append(self.broker.stderr.read().strip())
        raise BenchError(f"{what} through {target.name}: " + "; ".join(filter(None, reasons)))

    def run_once(self, workload, target, seconds, warm_up):
        driver = self.drive(target, [*workload.drive, "--seconds", seconds, "--warm-up", warm_up, "--wait"])
        with driver:
            if driver.stdout.readline() != "ready\n":
                self.fail_run(target, driver, workload.name)
            before = target.process and processes.cpu_seconds(target.process.pid)
            broker_before = processes.cpu_seconds(self.broker.pid)
            busy_before = processes.busy_seconds()
            driver.stdin.write("go\n")
            driver.stdin.flush()
            line = driver.stdout.readline()
            if not line:
                self.fail_run(target, driver, workload.name)
            after = target.process and processes.cpu_seconds(target.process.pid)
            broker_after = processes.cpu_seconds(self.broker.pid)
            busy = (processes.busy_seconds() - busy_before) / json.loads(line)["seconds"]
            if driver.wait(RUN_TIMEOUT_S) != 0:
                self.fail_run(target, driver, workload.name)
        target.check_alive()
        got = json.loads(line)
        cpu = processes.cpu_between(before, after) if target.process else 0.0
        load = (got["cpu_seconds"] + processes.cpu_between(broker_before, broker_after)) / got["seconds"]
        sample = {
            "requests_per_s": got["requests"] / got["seconds"],
            "gb_per_s": got["bytes"] / got["seconds"] / 1e9,
            "cpu_s_per_gb": cpu / (got["bytes"] / 1e9),
            "cpu_us_per_request": cpu / got["requests"] * 1e6,
            "p50_us": got["p50_us"], "p99_us": got["p99_us"],
            "proxy_core": cpu / got["seconds"], "load_core": load,
            "others_cores": max(0.0, busy - load - cpu / got["seconds"]),
        }
        per_request = workload.metric == "cpu_us_per_request"
        sample["throughput"] = sample["requests_per_s" if per_request else "gb_per_s"]
        sample["saturated"] = target.process is not None and load > SATURATED > sample["proxy_core"]
        return sample

    def footprint(self, target):
        """Memory at rest and for each idle connection, of a process that has run for a moment."""
        memory = processes.memory_bytes(target.process.pid)
        self.run_once(small(1), target, 0.2, 0)
        before = processes.memory_bytes(target.process.pid)["private"]
        driver = self.drive(target, ["--workload", "idle", "--connections", IDLE_CONNECTIONS])
        if not driver.stdout.readline():
            self.fail_run(target, driver, f"{IDLE_CONNECTIONS} idle connections")
        after = processes.memory_bytes(target.process.pid)["private"]
        driver.stdin.close()
        if driver.wait(RUN_TIMEOUT_S) != 0:
            self.fail_run(target, driver, f"{IDLE_CONNECTIONS} idle connections")
        per_connection = (after - before) / IDLE_CONNECTIONS
        result = {"rss_bytes": memory["rss"], "private_bytes": memory["private"],
                  "idle_connections": IDLE_CONNECTIONS, "idle_connection_bytes": per_connection}
        if target.name == report.OURS and self.tls == PLAIN:
            result["mark"] = report.verdict(per_connection, IDLE_CONNECTION_MARK_BYTES)
        return result

    def rounds(self, workloads):
        samples = {workload.name: {target.name: [] for target in self.targets} for workload in workloads}
        footprints = {}
        starts = {target.name: [] for target in self.proxies}
        began = time.monotonic()
        runs = self.options.rounds * len(workloads) * len(self.targets)
        done = 0
        for number in range(self.options.rounds):
            for target in self.targets:
                target.start(self.broker_port, PROXY_CORE)
            for target in self.proxies:
                starts[target.name].append(target.first_answer_s * 1e3)
                if number == 0:
                    footprints[target.name] = self.footprint(target)
            for workload in workloads:
                # Another one goes first in each round.
                turn = number % len(self.targets)
                for target in self.targets[turn:] + self.targets[:turn]:
                    sample = self.run_once(workload, target, self.options.seconds, self.options.warm_up)
                    samples[workload.name][target.name].append({"round": number} | sample)
                    done += 1
                    print(f"[{done}/{runs}, {time.monotonic() - began:.0f} s] {workload.name}, {target.name}: "
                          f"{sample[workload.metric]:.3f} {workload.metric}", file=sys.stderr)
            for target in self.targets:
                target.stop()
        for name, values in starts.items():
            footprints[name]["first_answer_ms"] = report.spread(values)
        return samples, footprints


def run_codec(binary, quick):
    command = [str(binary), "--benchmark_format=json", f"--benchmark_min_time={0.02 if quick else 0.2}"]
    driver = processes.start(command, PROXY_CORE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    output, errors = driver.communicate(timeout=120)
    if driver.returncode != 0:
        raise BenchError("codec_bench failed: " + errors.strip())
    unit = {"ns": 1, "us": 1e3, "ms": 1e6}
    return [{"name": row["name"], "ns": row["cpu_time"] * unit[row["time_unit"]]}
            for row in json.loads(output)["benchmarks"]]


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, help="build directory that has kferry, bench/load, bench/codec_bench")
    parser.add_argument("--kferry", type=Path, help="instead of the build's own")
    parser.add_argument("--load", type=Path)
    parser.add_argument("--codec", type=Path)
    parser.add_argument("--haproxy", default=which("haproxy") or which("haproxy", path="/usr/sbin"))
    parser.add_argument("--engine", action="append", default=[], metavar="'KEY = VALUE'",
                        help="a line for kferry's [engine], to measure a threshold; more than one: repeat it")
    parser.add_argument("--quick", action="store_true", help="few workloads, one round, half a second each")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=float, help="of each run")
    parser.add_argument("--workload", action="append", help="only workloads whose name contains this")
    parser.add_argument("--only", action="append", help="only this target: direct, kferry, haproxy (for profiling)")
    parser.add_argument("--json", type=Path, help="write every sample and result there")
    parser.add_argument("--gate", action="store_true", help="exit with 3 when a mark is missed")
    options = parser.parse_args()
    if options.build:
        options.kferry = options.kferry or options.build / "src/cli/kferry"
        options.load = options.load or options.build / "bench/load"
        options.codec = options.codec or options.build / "bench/codec_bench"
    if not options.load or (not options.kferry and not options.only):
        parser.error("name a build directory (--build), or --kferry and --load")
    options.rounds = options.rounds or (1 if options.quick else 3)
    options.seconds = options.seconds or (0.5 if options.quick else 1.2)
    options.warm_up = 0.1 if options.quick else 0.2
    return options


def choose_workloads(options):
    chosen = [one for one in WORKLOADS if one.quick or not options.quick]
    if options.workload:
        chosen = [one for one in WORKLOADS if any(part in one.name for part in options.workload)]
    if not chosen:
        raise BenchError("no workload has such a name; there are: " + ", ".join(one.name for one in WORKLOADS))
    return chosen


def main():
    options = parse_arguments()
    machine = processes.machine()
    if machine["cores"] < 2:
        raise BenchError("the benchmark needs two cores: one for the proxy, one for the load")
    workloads = choose_workloads(options)
    result = {"machine": machine, "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
              "rounds": options.rounds, "seconds": options.seconds, "quick": options.quick}
    print("machine: {cpu}, {cores} cores, Linux {kernel}, {memory_gb} GB, load {load_before:.2f}".format(**machine))
    if options.codec:
        result["codec"] = run_codec(options.codec, options.quick)
        report.print_codec(result["codec"])

    with tempfile.TemporaryDirectory(prefix="kferry-bench-") as directory:
        proxies = Bench(options, Path(directory)).proxies
        result["versions"] = {one.name: one.version() for one in proxies}
        for name, version in result["versions"].items():
            print(f"{name}: {version}, core {PROXY_CORE}; the load on core {LOAD_CORE}")
        if not options.haproxy:
            print("haproxy is not installed: no ratios, no marks against it")
        samples, footprints = {}, {}
        for tls in (PLAIN, LISTENER_TLS, BOTH_TLS):
            chosen = [one for one in workloads if one.tls == tls]
            if not chosen:
                continue
            if tls != PLAIN:
                targets.make_certificates(Path(directory))
            bench = Bench(options, Path(directory), tls)
            try:
                bench.start_broker()
                some, rest = bench.rounds(chosen)
            finally:
                bench.close()
            samples |= some
            footprints |= {f"{name}, {tls}" if tls else name: values for name, values in rest.items()}

    names = [target.name for target in bench.targets]
    summaries = [report.summarise(workload, samples[workload.name]) for workload in workloads]
    report.print_summaries(summaries, names)
    report.print_footprints(footprints)
    result |= {"samples": samples, "workloads": summaries, "at_rest": footprints}
    marks = [one["mark"] for one in [*summaries, *footprints.values()] if "mark" in one]
    missed = sum(not mark["met"] for mark in marks)
    result["marks"] = {"met": len(marks) - missed, "missed": missed}
    print(f"\nmarks: {len(marks) - missed} met, {missed} missed")
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")
    return 3 if options.gate and missed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        sys.exit(1)
