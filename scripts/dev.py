"""Builds, tests, demonstrates and measures kferry. Installs what each command needs.

  ./dev build            the release binary with g++
  ./dev test             the full functional suite: at most 25 minutes on two cores
  ./dev test --all       full matrices, a million steps of simulation, TSan of everything, fuzzing, two Kafkas
  ./dev test --only STEP one step (more than one: repeat it); --list names them
  ./dev test --no-install
                         installs no package: a step that lacks one is skipped and names it, or fails if --only
                         asks for it
  ./dev demo             three acts: direct, through a plain proxy, through kferry
      --kafka            with three real Apache Kafka brokers instead of librdkafka's mock cluster
      --keep             leave it up, and print lines to try, until Enter or Ctrl-C
  ./dev bench            beside HAProxy, nginx and direct, 10 to 12 minutes; options go to bench/bench.py
      --all              every workload and real brokers, about an hour; --kafka: real brokers alone
      --accept-guard     keeps today's instructions and system calls per frame, which ./dev test compares
  ./dev compat           clients of other projects through kferry; writes docs/compatibility.md
      --only WORD        clients whose name has this word, without writing
  ./dev release          in build/dist: one static binary, and from it deb, rpm, tarball and container image, with debug
                         symbols, SBOM and checksums; reproducible
  ./dev format           formats every C++ file
  ./dev tidy             clang-tidy over src/
  ./dev help             this

Logs of everything are kept in build/logs.
"""

import argparse
import os
import signal
import sys

import builds
import packages
import release
import steps
from counts import Counts
from progress import BUILD, CHECKOUT, LOGS, Failure, Progress, logged, say, show_tail

PYTHON = steps.PYTHON


def prepare(progress, names):
    """One step of its own when packages are missing, nothing when they are there."""
    wanted = packages.missing(names)
    if not wanted:
        return
    progress.total += 1
    progress.begin(f"install {len(wanted)} packages")
    progress.end(packages.install(names))


def build_release(progress):
    prepare(progress, packages.BUILD)
    progress.begin("build, g++ release")
    builds.compile_tree(builds.RELEASE)
    progress.end(f"{builds.RELEASE.kferry.relative_to(CHECKOUT)} is ready")


def build(_words):
    build_release(Progress(1))


def parse_test_words(words):
    parser = argparse.ArgumentParser(prog="./dev test")
    parser.add_argument("--all", action="store_true", help="full matrices, long simulation, fuzzing")
    parser.add_argument("--only", action="append", metavar="STEP", choices=[step.name for step in steps.STEPS],
                        help="this step alone; repeat it for more")
    parser.add_argument("--list", action="store_true", help="name the steps, and run nothing")
    parser.add_argument("--no-install", action="store_true",
                        help="install no package: a step that lacks one is skipped and names it, or fails if --only "
                             "asks for it. What a step downloads for itself (wolfSSL's source, Kafka's jars, kernels) "
                             "is kept in the checkout and is still fetched")
    return parser.parse_args(words)


def test(words):
    options = parse_test_words(words)
    if options.list:
        for step in steps.STEPS:
            say(f"{step.name:14} {step.title}{' (--all)' if step.only_in_all else ''}")
        return 0
    chosen = [step for step in steps.STEPS
              if (step.name in options.only if options.only else options.all or not step.only_in_all)]
    present = [step for step in chosen if (CHECKOUT / step.needs).exists()]
    for log in LOGS.glob("*.log"):
        log.unlink()
    progress = Progress(len(chosen))
    total, failed, not_run = Counts(), [], []
    if options.no_install:
        packages.forbid_installing()
    try:
        if not options.no_install:
            prepare(progress, [name for step in present for name in step.packages])
    except Failure as failure:
        report(failure)
        total, failed = total + Counts(failed=1), ["install"]
        chosen = []
    for step in chosen:
        progress.begin(f"{step.name}: {step.title}")
        if step not in present:
            total += Counts(skipped=1)
            progress.end(f"skipped: {step.needs} is not in the tree yet")
            continue
        if options.no_install and (lacking := packages.absent(step.packages)):
            total += Counts(failed=1) if options.only else Counts(skipped=1)
            (failed if options.only else not_run).append(step.name)
            progress.end(f"{'failed' if options.only else 'skipped'}: missing: {' '.join(lacking)}")
            continue
        result = run_step(step, options.all)
        total += result
        if result.failed:
            failed.append(step.name)
        progress.end(str(result))
    if failed:
        say(f"failed: {', '.join(failed)}")
    if not_run:
        say(f"skipped for want of packages: {', '.join(not_run)}")
    say(str(total))
    return 1 if total.failed or not total.passed else 0


def run_step(step, everything):
    before = {log: log.stat().st_size for log in LOGS.glob("*.log")}
    try:
        result = step.run(everything)
    except Failure as failure:
        report(failure)
        return Counts(failed=1)
    if result.passed + result.failed + result.skipped == 0:
        say("    not one test ran")
        return Counts(failed=1)
    if result.failed:
        for log in sorted(LOGS.glob("*.log")):
            if log.stat().st_size != before.get(log):
                show_tail(log)
    return result


def report(failure):
    say(f"    {failure}")
    show_tail(failure.log)


def demo(words):
    known = {"--kafka", "--keep"}
    if set(words) - known:
        raise Failure(f"./dev demo knows {' and '.join(sorted(known))}")
    progress = Progress(1)
    more = packages.end_to_end() if "--kafka" in words else []
    prepare(progress, [*packages.BUILD, *packages.DEMO, *more])
    progress.begin("build, g++ release: kferry and the demo's mock cluster")
    builds.compile_tree(builds.DEMO, builds.DEMO_PROGRAMS)
    progress.end("built")
    command = [PYTHON, "-B", "demo/demo.py", "--kferry", str(builds.DEMO.kferry), *words]
    if os.geteuid() != 0:
        command = ["sudo", "-n", *command]  # network namespaces
    os.execvp(command[0], command)


def bench(words):
    progress = Progress(1)
    real_brokers = packages.end_to_end() if {"--kafka", "--all"} & set(words) else []
    prepare(progress, [*packages.BUILD, *packages.BENCH, *packages.PLOT, *packages.GUARD, *real_brokers])
    progress.begin("build, g++ release with the benchmarks")
    builds.compile_tree(builds.BENCH)
    progress.end("built")
    guard = {"--guard": [], "--accept-guard": ["--accept"]}
    if words and words[0] in guard:
        command = ["bench/guard.py", "--build", builds.BENCH.path, *guard[words[0]], *words[1:]]
    else:
        command = ["bench/bench.py", "--build", builds.BENCH.path, "--out", BUILD / "bench-result", *words]
    os.execvp(PYTHON, [PYTHON, "-B", *map(str, command)])


def compat(words):
    progress = Progress(1)
    prepare(progress, [*packages.BUILD, *packages.end_to_end()])
    progress.begin("build, g++ release")
    builds.compile_tree(builds.RELEASE, ("src/cli/kferry",))
    progress.end("built")
    os.environ["KFERRY"] = str(builds.RELEASE.kferry)
    command = [PYTHON, "-B", "tests/compat/compat.py", *words]
    if os.geteuid() != 0:
        command = ["sudo", "-n", "--preserve-env=KFERRY,KFERRY_BACKEND,KFERRY_KAFKA_VERSION", *command]
    os.execvp(command[0], command)


def make_release(_words):
    progress = Progress(1)
    prepare(progress, [*packages.BUILD, *packages.RELEASE])
    progress.begin("build static, and make the packages")
    release.make()
    for path in sorted(release.DIST.iterdir()):
        say(f"    {path.stat().st_size:>11,}  {path.relative_to(CHECKOUT)}")
    progress.end("build/dist is ready")


def format_files(_words):
    prepare(Progress(0), packages.FORMAT)
    files = steps.cpp_files()
    logged("format", ["clang-format-19", "-i", *files])
    say(f"{len(files)} files formatted")


def tidy(words):
    progress = Progress(1)
    prepare(progress, [*packages.BUILD, *packages.SANITIZERS, *packages.TIDY])
    progress.begin("clang-tidy-19 over src/")
    result = steps.tidy(False, words)
    progress.end(str(result))
    if result.failed:
        show_tail(LOGS / "tidy.log")
    return 1 if result.failed else 0


def show_help(_words):
    say(__doc__.strip())


COMMANDS = {"build": build, "test": test, "demo": demo, "bench": bench, "compat": compat, "release": make_release,
            "format": format_files, "tidy": tidy, "help": show_help, "--help": show_help, "-h": show_help}


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    os.chdir(CHECKOUT)
    verb, *words = sys.argv[1:] or ["help"]
    if verb not in COMMANDS:
        print(f"dev: no command {verb!r}; ./dev help lists them", file=sys.stderr)
        return 1
    try:
        return COMMANDS[verb](words) or 0
    except Failure as failure:
        report(failure)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
