#!/usr/bin/python3
"""kferry beside direct, HAProxy, nginx and whatever is named, on Kafka-framed load, in one run. README.md says what is
compared with what.

    bench/bench.py --build build/bench            # the core set: 10 to 12 minutes
    bench/bench.py --build build/bench --all      # the whole product and real brokers: about an hour
    bench/bench.py --build build/bench --kafka    # Kafka's own perf tools before real brokers: about 5 minutes
    bench/bench.py --build build/bench --quick    # a minute: a smoke test, not a figure to quote
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import marks
import own_network
import peers
import perf_tools
import processes
import report
import rounds
import summary
import workloads
from certificates import make_certificates
from measuring import LOAD_CORE, PROXY_CORE
from processes import BenchError
from targets import Direct, Kferry
from workloads import BOTH_TLS, CORE, LISTENER_TLS, PLAIN, PerfTool


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, help="build directory that has kferry, bench/load, bench/codec_bench")
    parser.add_argument("--kferry", type=Path, help="instead of the build's own")
    parser.add_argument("--load", type=Path)
    parser.add_argument("--codec", type=Path)
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument("--quick", action="store_const", dest="level", const=workloads.QUICK)
    chosen.add_argument("--all", action="store_const", dest="level", const=workloads.ALL)
    parser.add_argument("--kafka", action="store_true", help="the perf tools before real brokers, and nothing else")
    parser.add_argument("--workload", action="append", default=[], help="only those whose name contains this")
    parser.add_argument("--mark", action="append", default=[], metavar="TEXT",
                        help="only what the marks whose title contains this are made of: workloads and targets")
    parser.add_argument("--list", action="store_true", help="names every workload and its sets, and every mark")
    parser.add_argument("--peer", action="append", default=[], metavar="name=NAME[,rewrites=yes],command=COMMAND",
                        help="one more proxy; COMMAND has {listen} and {upstream} (README.md)")
    parser.add_argument("--only", action="append", default=[], metavar="TARGET",
                        help="repeat it; direct runs besides where it sets the pace")
    parser.add_argument("--engine", action="append", default=[], metavar="'KEY = VALUE'",
                        help="a line for kferry's [engine], to measure a threshold; repeat it")
    parser.add_argument("--congestion", metavar="NAME",
                        help="in a network namespace of its own with this TCP congestion control (root)")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=float, help="of each run")
    parser.add_argument("--records", type=int, default=300_000, help="of 1 KiB, for the perf tools")
    parser.add_argument("--out", type=Path, help="a directory for result.json and result.svg")
    parser.add_argument("--gate", action="store_true", help="exit with 3 when a mark is missed")
    options = parser.parse_args()
    options.level = options.level or CORE
    quick = options.level == workloads.QUICK
    if options.build:
        options.kferry = options.kferry or options.build / "src/cli/kferry"
        options.load = options.load or options.build / "bench/load"
        options.codec = options.codec or options.build / "bench/codec_bench"
    if not options.list and not (options.load and options.kferry):
        parser.error("name a build directory (--build), or --kferry and --load")
    options.rounds = options.rounds or (1 if quick else 3)
    options.seconds = options.seconds or (0.4 if quick else 1.2)
    options.warm_up = 0.1 if quick else 0.2
    return options


def translating(options):
    """The named peers that rewrite addresses themselves."""
    named = [peers.Named(Path(), text) for text in options.peer]
    return [peer.name for peer in named if peer.rewrites_addresses]


def choose(options):
    """The workloads; with --mark, the targets too."""
    if not options.mark:
        return workloads.choose(options.level, options.workload, options.kafka)
    wanted = [one for one in marks.marks(translating(options)) if any(text in one.title for text in options.mark)]
    figures = [figure for one in wanted for figure in one.figures]
    options.only += [name for figure in figures for name in (figure.target, figure.less) if name]
    names = {figure.workload for figure in figures}
    return [one for one in workloads.WORKLOADS
            if one.name in names or any(part in one.name for part in options.workload)]


def make_targets(options, directory, chosen):
    made = [Direct(directory), Kferry(directory, options.kferry, "io_uring", options.engine),
            Kferry(directory, options.kferry, "epoll", options.engine)]
    if another := own_network.another(own_network.congestion_control()):
        made.append(Kferry(directory, options.kferry, "io_uring", options.engine, congestion_control=another))
    haproxy, nginx = peers.find("haproxy"), peers.find("nginx")
    if haproxy:
        made += [peers.Haproxy(directory, haproxy), peers.HaproxySplice(directory, haproxy)]
    if nginx:
        made.append(peers.Nginx(directory, nginx))
    for missing in [name for name, path in (("haproxy", haproxy), ("nginx", nginx)) if not path]:
        print(f"{missing} is not installed: no figures of it, no marks against it")
    made += [peers.Named(directory, text) for text in options.peer]
    only = set(options.only)
    if any(one.pace for one in chosen):
        only.add(marks.DIRECT)
    return [target for target in made if not options.only or target.name in only]


def drop_missing_backends(targets, load, directory):
    """A backend that this build, or this host, does not have is said so and left out."""
    bench = rounds.Bench(load, directory, PLAIN)
    bench.start_broker()
    present = []
    for target in targets:
        try:
            if isinstance(target, Kferry):
                target.start_afresh([bench.broker_port], PROXY_CORE)
            present.append(target)
        except BenchError as error:
            if target.name == marks.OURS:
                raise
            print(f"{target.name} is left out, not in this build or not on this host: " + last_words(error))
        finally:
            target.stop()
    bench.close()
    return present


def last_words(error):
    return " ".join(str(error).strip().splitlines()[-2:])


def run_codec(binary, quick):
    command = [str(binary), "--benchmark_format=json", f"--benchmark_min_time={0.02 if quick else 0.1}"]
    driver = processes.start(command, PROXY_CORE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    output, errors = driver.communicate(timeout=120)
    if driver.returncode != 0:
        raise BenchError("codec_bench failed: " + errors.strip())
    unit = {"ns": 1, "us": 1e3, "ms": 1e6}
    return [{"name": row["name"], "ns": row["cpu_time"] * unit[row["time_unit"]]}
            for row in json.loads(output)["benchmarks"]]


def measure(options, chosen, directory):
    """(targets, samples by workload and target)"""
    targets = make_targets(options, directory, chosen)
    targets = drop_missing_backends(targets, options.load, directory)
    for target in targets:
        if target.version():
            print(f"{target.name}: {target.version()}, core {PROXY_CORE}")
    print(f"the load: core {LOAD_CORE}", flush=True)
    loads = [one for one in chosen if not isinstance(one, PerfTool)]
    tools = [one for one in chosen if isinstance(one, PerfTool)]
    expected = rounds.expected_seconds(loads, targets, options)
    if tools:
        each = sum(perf_tools.RUN_S[one.name] for one in tools)
        expected += perf_tools.START_S + options.rounds * len(targets) * each
    progress = rounds.Progress(expected)
    samples = {}
    for tls in (PLAIN, LISTENER_TLS, BOTH_TLS):
        mine = [one for one in loads if one.tls == tls]
        if not mine:
            continue
        if tls != PLAIN:
            make_certificates(directory)
        able = [target for target in targets if tls == PLAIN or target.speaks_tls]
        for target in able:
            target.listener_tls, target.upstream_tls = tls != PLAIN, tls == BOTH_TLS
        samples |= rounds.Rounds(options, directory, tls, able, progress).run(mine)
    if tools:
        for target in targets:
            target.listener_tls = target.upstream_tls = False
        samples |= perf_tools.PerfTools(options, directory, targets, progress).run(tools)
    return targets, samples


def write_out(out, result):
    out.mkdir(parents=True, exist_ok=True)
    (out / "result.json").write_text(json.dumps(result, indent=1) + "\n")
    print(f"written: {out / 'result.json'}")
    try:
        import plot  # pylint: disable=import-outside-toplevel  # the figures are there without matplotlib, too
    except ImportError:
        print("no plot: python3-matplotlib is not installed")
        return
    if plot.draw(result, out / "result.svg"):
        print(f"written: {out / 'result.svg'}")


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started and written goes
    options = parse_arguments()
    if options.list:
        for one in workloads.WORKLOADS:
            print(f"{one.name:55} {', '.join(one.sets)}")
        print(*(f"mark: {one.title}" for one in marks.marks(translating(options))), sep="\n")
        return 0
    if options.congestion:
        own_network.enter(options.congestion)
    machine = processes.machine() | {"congestion_control": own_network.congestion_control()}
    if machine["cores"] < 2:
        raise BenchError("the benchmark needs two cores: one for the proxy, one for the load")
    chosen = choose(options)
    if not chosen:
        raise BenchError("no workload, or mark, has such a name; --list names them")
    result = {"machine": machine, "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
              "rounds": options.rounds, "seconds": options.seconds, "set": options.level}
    print("machine: {cpu}, {cores} cores, Linux {kernel}, {memory_gb} GB, TCP with {congestion_control}, "
          "load {load_before:.2f}".format(**machine))
    if machine["load_before"] > 0.5:
        print("WARNING: others use this machine; figures taken beside them are not to be quoted")
    if options.codec and not (options.workload or options.mark or options.kafka):
        result["codec"] = run_codec(options.codec, options.level == workloads.QUICK)
        report.print_codec(result["codec"])
    with tempfile.TemporaryDirectory(prefix="kferry-bench-") as directory:
        targets, samples = measure(options, chosen, Path(directory))
    machine["load_after"] = os.getloadavg()[0]

    summaries = [summary.summarise(one, samples[one.name]) for one in chosen]
    report.print_loads(summaries)
    report.print_latencies(summaries)
    report.print_at_rest(summaries)
    judged = [verdict for one in marks.marks(translating(options)) if (verdict := one.judge(samples))]
    _, missed, without = report.print_marks(judged)
    disturbed = sum("other processes" in note for one in summaries for note in one["notes"])
    print("load on the machine: {load_before:.2f} before, {load_after:.2f} after".format(**machine) +
          (f"; {disturbed} workloads were disturbed by other processes: run them again" if disturbed else ""))
    result |= {"versions": {target.name: target.version() for target in targets}, "samples": samples,
               "workloads": summaries, "marks": judged}
    if options.out:
        write_out(options.out, result)
    every = [sample for by_target in samples.values() for some in by_target.values() for sample in some]
    failed = sum("error" in sample and not sample.get("saturated") for sample in every)
    saturated = sum(bool(sample.get("saturated")) for sample in every)
    if failed or saturated:
        print(f"{failed} runs failed, {saturated} had the load at its limit: none of them is a figure, see the notes")
    if failed or (saturated and options.level != workloads.QUICK):
        return 1
    return 3 if options.gate and missed + without else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (BenchError, peers.NotAPeer) as error:
        print(f"bench: {error}", file=sys.stderr)
        sys.exit(1)
