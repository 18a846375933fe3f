#!/usr/bin/python3
"""The guard of the hot path: what one exchange costs is counted, and compared with what guard.json keeps.

    bench/guard.py --build build/bench             # compares; the last line is "N passed, N failed, N skipped"
    bench/guard.py --build build/bench --accept    # keeps today's figures

Two kinds of figures, none of them timed:

- instructions (callgrind), operations asked of the ring, turns and allocations, of a worker on a ring without a
  kernel: guard.cc. The same to the last digit for one compiler; not compared under another.
- system calls of the real process, by strace, one request in flight. They hang on what the kernel offers, so they
  are not compared where `kferry doctor` finds another choice of engine.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import workloads
from measuring import PROXY_CORE, Bench
from processes import BenchError
from targets import Kferry

KEPT = Path(__file__).resolve().parent / "guard.json"
# Parts by which a figure may grow. Strace slows the proxy down, and how much of a large frame has come when it is
# looked for is a matter of time: those of frames hold less strictly.
ALLOWED = {"instructions": 0.02, "operations": 0.0, "turns": 0.0, "allocations": 0.0, "system calls": 0.05,
           # How TCP cuts the frame decides: 5.9 to 8.0 and 10.9 to 15.9 were seen of one build on a quiet machine.
           "system calls of a large frame": 1.0}
ACCEPT = "./dev bench --accept-guard"
CALLS = re.compile(rb"^(?:\d+ +)?([a-z_0-9]+)\(", re.M)
BACKENDS = ("io_uring", "epoll")
SECONDS, TRIES = (0.1, 0.5), 3
# One connection, one request in flight: what happens does so in the same order each time.
TRACED = {workloads.small(1): "system calls",
          workloads.frames("produce", 9, 16, 1, depth=1): "system calls",
          workloads.frames("fetch", 15, 256, 1): "system calls of a large frame"}


def counted(guard, directory):
    """(compiler, {row: {figure: per exchange}})"""
    command = ["valgrind", "--tool=callgrind", "--collect-atstart=no", f"--callgrind-out-file={directory}/out", guard]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, env=plain_environment())
    if done.returncode != 0:
        raise BenchError("guard does not run under callgrind: " + done.stderr[-2000:])
    exchanges, figures = {}, {}
    first, *lines = map(json.loads, done.stdout.splitlines())
    for row in lines:
        exchanges[row["row"]] = row["exchanges"]
        figures[row["row"]] = {name: row[name] for name in ("operations", "turns", "allocations")}
    for path in directory.glob("out*"):
        text = path.read_text()
        name = re.search(r"^desc: Trigger: Client Request: (.*)$", text, re.M)
        total = re.search(r"^(?:summary|totals): (\d+)", text, re.M)
        if name and total and name[1] in figures:
            figures[name[1]]["instructions"] = round(int(total[1]) / exchanges[name[1]], 1)
    if not figures or any("instructions" not in row for row in figures.values()):
        raise BenchError("callgrind left no figure of: " + ", ".join(
            name for name, row in figures.items() if "instructions" not in row))
    return first["compiler"], figures


def plain_environment():
    """The C library chooses its memcpy by the processor: here the one that every x86-64 has."""
    return {"PATH": "/usr/bin:/bin", "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-AVX512F,-ERMS,-FSRM,-SSSE3"}


def traced(options, directory, backend):
    """{row: {figure: per exchange}}; empty where this build or host lacks the backend."""
    bench = Bench(options.load, directory, workloads.PLAIN)
    log = directory / f"calls-{backend}"
    # -D: the proxy stays this process's child, and the tracer goes with it.
    target = Kferry(directory, options.kferry, backend,
                    launcher=["strace", "-D", "-f", "-qq", "-e", "signal=none", "-o", log])
    try:
        bench.start_broker()
        target.start_afresh([bench.broker_port], PROXY_CORE)
        return {f"{backend}: {workload.name}":
                {figure: median(calls_per_exchange(bench, workload, target, log) for _ in range(TRIES))}
                for workload, figure in TRACED.items()}
    except BenchError as error:
        print(f"{backend}: system calls are not counted: {' '.join(str(error).strip().splitlines()[-2:])}")
        return {}
    finally:
        target.stop()
        bench.close()


def calls_per_exchange(bench, workload, target, log):
    """The slope between a short and a long run: what a connection costs to make and to end is in both."""
    exchanges, calls = [], []
    for seconds in SECONDS:
        before = settled(log)
        exchanges.append(bench.run(workload, target, seconds, 0)["requests"])
        calls.append(len(CALLS.findall(settled(log)[len(before):])))
    return round((calls[1] - calls[0]) / (exchanges[1] - exchanges[0]), 3)


def settled(log):
    """What strace has written, once it writes no more."""
    written = log.read_bytes()
    while True:
        time.sleep(0.1)
        now = log.read_bytes()
        if now == written:
            return written
        written = now


def offers(kferry):
    """What the engine found on this host: the choice that system calls hang on."""
    done = subprocess.run([kferry, "doctor"], capture_output=True, text=True, check=False)
    found = re.findall(r"^ok +(\S.*?)  +\S.*$", done.stdout, re.M)
    return found[found.index("io_uring"):] if "io_uring" in found else []


def count(options):
    with tempfile.TemporaryDirectory(prefix="kferry-guard-") as directory:
        directory = Path(directory)
        compiler, figures = counted(options.build / "bench/guard", directory)
        measured = {"compiler": compiler, "offers": offers(options.kferry), "counted": figures, "traced": {}}
        for backend in BACKENDS:
            measured["traced"] |= traced(options, directory, backend)
        return measured


def compare(kept, measured):
    """Prints what has changed; (passed, failed, skipped)."""
    passed = failed = skipped = 0
    reasons = {"counted": "", "traced": ""}
    if kept["compiler"] != measured["compiler"]:
        reasons["counted"] = f"kept under {kept['compiler']}, this is {measured['compiler']}"
    if kept["offers"] != measured["offers"]:
        reasons["traced"] = "this kernel offers the engine other choices than the one they were kept on"
    for part, reason in reasons.items():
        for row, figures in measured[part].items():
            if reason or row not in kept[part]:
                skipped += 1
                print(f"skipped  {row}: {reason or 'not kept yet: ' + ACCEPT}")
                continue
            grown = [text for figure, value in figures.items() if (text := growth(figure, kept[part][row], value))]
            for text in grown:
                print(f"FAILED   {row}: {text}")
            failed += bool(grown)
            passed += not grown
        for row in kept[part].keys() - measured[part].keys():
            skipped += 1
            print(f"skipped  {row}: kept, but not counted now")
    if failed:
        print(f"The hot path costs more than it did. Where that is meant, keep the new figures: {ACCEPT}")
    return passed, failed, skipped


def growth(figure, kept, value):
    """Why the figure is not as it was, when it is worse; says it when it is much better."""
    before = kept.get(figure)
    if before is None:
        return None
    if value > before * (1 + ALLOWED[figure]) + 0.01:
        return (f"{figure} per exchange grew from {before:,.2f} to {value:,.2f}"
                f" ({(value / before - 1) if before else 1:+.1%}, {ALLOWED[figure]:.0%} allowed)")
    if value < before * (1 - ALLOWED[figure]) - 0.01:
        print(f"better   {figure} per exchange fell from {before:,.2f} to {value:,.2f}: hold it with {ACCEPT}")
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, required=True)
    parser.add_argument("--accept", action="store_true")
    parser.add_argument("--show", action="store_true", help="every figure")
    options = parser.parse_args()
    options.kferry, options.load = options.build / "src/cli/kferry", options.build / "bench/load"
    measured = count(options)
    if options.show or options.accept:
        print(json.dumps(measured, indent=1))
    if options.accept:
        KEPT.write_text(json.dumps(measured, indent=1) + "\n")
        print(f"kept in {KEPT.name}")
        return 0
    if not KEPT.exists():
        raise BenchError(f"there is no {KEPT.name}: {ACCEPT}")
    passed, failed, skipped = compare(json.loads(KEPT.read_text()), measured)
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BenchError as error:
        print(f"guard: {error}", file=sys.stderr)
        sys.exit(1)
