"""The steps of `./dev test`, quick checks first. A step is a function that returns Counts; a Failure counts as one
failed test. A step whose part of the tree does not exist counts as skipped, never as passed."""

import concurrent.futures
import os
import re
import shutil
import time
from dataclasses import dataclass
from typing import Callable

import builds
import counts
import packages
import release
from counts import Counts
from progress import BUILD, CHECKOUT, LOGS, Failure, logged, say

PYTHON = "/usr/bin/python3"
PYTEST = [PYTHON, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider"]
TLS_ATTACKER = "tests/e2e/test_tls_attacker.py"  # a step of its own
FUZZ_SECONDS = 300
DEMO_SECONDS = 15
BENCH_TESTS = ("load finds every changed byte", "a missing figure meets no mark")
# Tests of what crosses threads: connections handed over, ring messages, the resolver's thread.
ACROSS_THREADS = re.compile(r"hand.?off|hand.?over|message|^ring|^net$|^worker|^proxy$|^topology$")


@dataclass(frozen=True)
class Step:
    name: str
    title: str
    run: Callable[[bool], Counts]  # told whether this is --all
    needs: str = "meson.build"  # what must be in the tree
    packages: tuple = ()
    only_in_all: bool = False


def cpp_files():
    _, listed = logged("format", ["git", "-c", f"safe.directory={CHECKOUT}", "ls-files", "*.cc", "*.h"])
    return [CHECKOUT / line for line in listed.split() if (CHECKOUT / line).exists()]


def layers(_everything):
    status, output = logged("layers", [PYTHON, "-B", "tests/layers_test.py"], timeout_s=900, may_fail=True)
    found = re.search(r"^(\d+) passed, (\d+) failed", output, re.MULTILINE)
    if not found:
        raise Failure("layers_test.py printed no count", LOGS / "layers.log")
    return Counts(int(found[1]), max(int(found[2]), int(status != 0)))


def formatting(_everything):
    files = cpp_files()
    if not files:
        raise Failure("no C++ file found: is this a git checkout?")
    status, output = logged("format", ["clang-format-19", "--dry-run", "-Werror", *files], may_fail=True)
    wrong = len(set(re.findall(r"^(\S+?):\d+:\d+: error:", output, re.MULTILINE)))
    if status != 0 and not wrong:
        raise Failure("clang-format-19 failed", LOGS / "format.log")
    return Counts(len(files) - wrong, wrong)


def tidy(_everything, words=()):
    """clang-tidy over src/ without its tests. A finding in one file does not stop the others."""
    builds.set_up(builds.ASAN)
    sources = [path for path in cpp_files()
               if path.suffix == ".cc" and not path.stem.endswith("_test") and CHECKOUT / "src" in path.parents
               and (not words or any(word in str(path) for word in words))]
    if not sources:
        raise Failure("no source file under src/ has such a name")

    def found(path):
        return logged("tidy", ["clang-tidy-19", "--quiet", "-p", builds.ASAN.path, path], may_fail=True)[0] != 0

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        wrong = sum(pool.map(found, sources))
    return Counts(len(sources) - wrong, wrong)


def build(tree):
    def run(_everything):
        builds.compile_tree(tree)
        return Counts(passed=1)
    return run


def unit(tree):
    def run(_everything):
        built(tree)
        return builds.run_meson_tests(tree, multiplier=1 if tree is builds.RELEASE else 3)
    return run


def built(tree):
    if not tree.kferry.exists():
        raise Failure(f"build/{tree.name} has no kferry: its build failed, or run the step build-{tree.name} first")
    return tree.kferry


def vectors(everything):
    tier = ["--all"] if everything else []
    _, output = logged("vectors", [CHECKOUT / "tests/vectors/generate.py", *tier], timeout_s=1800)
    paths = [line for line in output.splitlines() if line.endswith(".txt") and not line.startswith("vectors:")]
    result = Counts()
    for tree in (builds.RELEASE, builds.ASAN):
        program = tree.path / "tests/vectors/vectors_test"
        if not program.exists():
            raise Failure(f"{program.relative_to(CHECKOUT)} was not built")
        neutralised = BUILD / f"neutralised-{tree.name}.txt"
        status, output = logged("vectors", [program, paths[-1], "--neutralised", neutralised],
                                environment=builds.SANITIZER_OPTIONS, timeout_s=1800, may_fail=True)
        one = counts.of_vectors(output) or Counts(failed=1)
        result += one if status == 0 or one.failed else one + Counts(failed=1)
        if status == 0:
            logged("vectors", [CHECKOUT / "tests/vectors/generate.py", *tier, "--verify", neutralised], timeout_s=1800)
            result += Counts(passed=1)
    return result


def across_threads(everything):
    builds.set_up(builds.TSAN)
    chosen = [(name, program) for name, program in builds.tests_of(builds.TSAN)
              if everything or ACROSS_THREADS.search(name)]
    programs = [program for _, program in chosen if program.startswith(str(BUILD))]
    if not chosen:
        raise Failure("no meson test has a name that suggests threads")
    builds.compile_tree(builds.TSAN, () if everything else [p.removeprefix(f"{builds.TSAN.path}/") for p in programs])
    return builds.run_meson_tests(builds.TSAN, [name for name, _ in chosen], multiplier=5)


def pytest(log, arguments, tree=builds.RELEASE, timeout_s=900, environment=None):
    status, output = logged(log, [*PYTEST, *arguments], timeout_s=timeout_s, may_fail=True,
                            environment={"KFERRY": str(built(tree)), **builds.SANITIZER_OPTIONS, **(environment or {})})
    return counts.of_pytest(output, status)


def end_to_end(everything):
    return pytest("e2e", ["tests/e2e", f"--ignore={TLS_ATTACKER}"] if everything else ["tests/e2e", "-m", "quick"],
                  timeout_s=7200 if everything else 1200)


def end_to_end_on_epoll(_everything):
    return pytest("e2e-epoll", ["tests/e2e", f"--ignore={TLS_ATTACKER}"], environment={"KFERRY_BACKEND": "epoll"},
                  timeout_s=7200)


def older_kafka(_everything):
    return pytest("e2e-older", ["tests/e2e", "-m", "quick"], environment={"KFERRY_KAFKA_VERSION": "4.3.0"},
                  timeout_s=3600)


def tls_attacker(_everything):
    """Also lists the outcome of each case."""
    result = pytest("tls-attacker", [TLS_ATTACKER, "-s"])
    text = (LOGS / "tls-attacker.log").read_text(errors="replace")
    for line in re.findall(r"^[\w.-]+-1\.[23] (?:answered|alert \w+|closed|reset|stuck|failed.*)$", text, re.MULTILINE):
        say(f"    {line}")
    return result


def trust(everything):
    """Certificate chains judged by kferry, by x509-limbo and by Go's crypto/x509. Under ASan there are fewer."""
    program = BUILD / "trust"
    environment = {"CGO_ENABLED": "0", "GOCACHE": str(BUILD / "go-cache"), "GOFLAGS": "",
                   "GOPATH": str(BUILD / "go"), "GOPROXY": "off", "GOTOOLCHAIN": "local"}
    logged("trust", [shutil.which("go", path=packages.GO_PLACES), "build", "-o", program, "."], environment,
           directory=CHECKOUT / "tests/trust/compare")
    limbo = os.environ.get("KFERRY_LIMBO", CHECKOUT.parent / "shared/data/x509-limbo")
    seed, count = (int(time.time()), 20000) if everything else (0, 2000)
    result = Counts()
    for tree, number in ((builds.RELEASE, count), (builds.ASAN, count // 20)):
        seed += 1
        judge = tree.path / "tests/trust/chain_judge"
        if not judge.exists():
            raise Failure(f"{judge.relative_to(CHECKOUT)} was not built")
        _, output = logged("trust", [program, "--judge", judge, "--limbo", limbo, "--seed", seed, "--count", number,
                                     "--evidence", BUILD / "trust-evidence"],
                           environment=builds.SANITIZER_OPTIONS, timeout_s=3600, may_fail=True)
        for line in re.findall(r"^x509-limbo: SKIPPED.*$|^differential: seed.*$", output, re.MULTILINE):
            say(f"    {line}")
        found = re.search(r"^(\d+) passed, (\d+) failed, (\d+) skipped$", output, re.MULTILINE)
        if not found:
            raise Failure("tests/trust/compare printed no count", LOGS / "trust.log")
        result += Counts(*(int(number) for number in found.groups()))
    return result


def command_line(_everything):
    return pytest("cli", ["tests/cli"])


def packaging(_everything):
    """What needs neither the static build nor a host of its own. The first run builds Helm."""
    return pytest("packaging", ["tests/packaging/test_files.py", "tests/packaging/test_docs.py",
                                "tests/kubernetes/test_chart.py"], timeout_s=1800)


def kubernetes(_everything):
    """The API server of Kubernetes; the first run builds it, for 10 to 20 minutes on two idle cores."""
    return pytest("kubernetes", ["tests/kubernetes/test_api_server.py"], timeout_s=7200)


def packaging_on_hosts(_everything):
    """A release, made here and once more elsewhere; its packages and image judged and run."""
    release.make()
    builds.compile_tree(builds.DEMO, ("demo/mock_cluster",))
    environment = {"KFERRY_DIST": str(release.DIST), "KFERRY_MOCK_CLUSTER": str(builds.DEMO.path / "demo/mock_cluster")}
    return pytest("packaging-all", ["tests/packaging"], release.STATIC, timeout_s=7200, environment=environment)


def compatibility(_everything):
    """The newest clients in three modes. `./dev compat` runs the whole matrix."""
    status, output = logged("compat", [PYTHON, "-B", "tests/compat/compat.py", "--small"], timeout_s=3600, may_fail=True,
                            environment={"KFERRY": str(built(builds.RELEASE))})
    found = re.search(r"^(\d+) passed, (\d+) failed$", output, re.MULTILINE)
    if not found:
        raise Failure("tests/compat/compat.py printed no count", LOGS / "compat.log")
    return Counts(int(found[1]), max(int(found[2]), int(status != 0)))


def monitoring(everything):
    tests = "tests/monitoring"
    return pytest("monitoring", [tests] if everything else [tests, f"--ignore={tests}/test_scrape.py"])


def command_line_as_json(_everything):
    return pytest("cli-json", ["tests/cli"], environment={"KFERRY_LOG_FORMAT": "json"})


def long_simulation(_everything):
    program = builds.ASAN.path / "tests/simulation/simulation_test"
    status, output = logged("simulation", [program], timeout_s=7200, may_fail=True,
                            environment={**builds.SANITIZER_OPTIONS, "KFERRY_SIMULATION_STEPS": "1000000",
                                         "KFERRY_SIMULATION_SEED": str(int(time.time()))})
    one = counts.of_doctest(output) or Counts(failed=1)
    return one if status == 0 or one.failed else one + Counts(failed=1)


def fuzzing(_everything):
    """Each target for its time, as many side by side as there are processors: libFuzzer uses one each."""
    builds.compile_tree(builds.FUZZ)
    targets = sorted(path for path in builds.FUZZ.path.rglob("*_fuzz") if path.is_file())
    if not targets:
        raise Failure("no fuzzer was built")
    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count()) as running:
        return sum(running.map(fuzz, targets), Counts())


def fuzz(target):
    seconds = int(os.environ.get("KFERRY_FUZZ_SECONDS", FUZZ_SECONDS))
    found = BUILD / "fuzz-findings" / target.name
    found.mkdir(parents=True, exist_ok=True)
    corpus = CHECKOUT / target.relative_to(builds.FUZZ.path).parent / "corpus"
    status, _ = logged(f"fuzz-{target.name}",
                       [target, f"-max_total_time={seconds}", "-rss_limit_mb=3000", "-print_final_stats=1",
                        f"-artifact_prefix={found}/crash-", found, *([corpus] if corpus.is_dir() else [])],
                       timeout_s=seconds + 300, may_fail=True, environment=builds.SANITIZER_OPTIONS)
    return Counts(int(status == 0), int(status != 0))


def guest(everything):
    """Kernels other than this host's. Skipped only where an emulator or a kernel is unavailable."""
    try:
        packages.install(packages.GUEST)
    except Failure as failure:
        say(f"    skipped: {failure}")
        return Counts(skipped=1)
    builds.compile_tree(builds.DEMO, (*builds.DEMO_PROGRAMS, "src/ring/ring_test", "tests/simulation/sockets_test",
                                      *(["src/connection/kernel_tls_test"] if everything else [])))
    result = Counts()
    for words in ([["--all"], ["--all", "--backend", "epoll"]] if everything else [[]]):
        _, output = logged("guest", [PYTHON, "-B", "tests/guest/run.py", "--build", builds.DEMO.path, *words],
                           timeout_s=1800, may_fail=True)
        for line in re.findall(r"^Linux .*: skipped: .*$", output, re.MULTILINE):
            say(f"    {line}")
        found = re.search(r"^(\d+) passed, (\d+) failed, (\d+) skipped$", output, re.MULTILINE)
        if not found:
            raise Failure("tests/guest/run.py printed no count", LOGS / "guest.log")
        result += Counts(*(int(number) for number in found.groups()))
    return result


def soak(_everything):
    """KFERRY_SOAK_SECONDS shortens it."""
    builds.compile_tree(builds.RELEASE, ("src/cli/kferry",))
    seconds = float(os.environ.get("KFERRY_SOAK_SECONDS", 1800))
    _, output = logged("soak", [PYTHON, "-B", "tests/soak/soak.py", builds.RELEASE.path / "src/cli/kferry",
                                "--seconds", str(seconds)], timeout_s=int(seconds) + 600, may_fail=True)
    found = re.search(r"^(\d+) passed, (\d+) failed$", output, re.MULTILINE)
    if not found:
        raise Failure("tests/soak/soak.py printed no count", LOGS / "soak.log")
    return Counts(int(found[1]), int(found[2]))


def changes(_everything):
    builds.compile_tree(builds.BENCH, ("src/cli/kferry", "bench/load"))
    return pytest("changes", ["tests/changes"], builds.BENCH, environment={"KFERRY_LOAD": str(builds.BENCH.path / "bench/load")})


def bench_smoke(_everything):
    builds.compile_tree(builds.BENCH)
    result = builds.run_meson_tests(builds.BENCH, BENCH_TESTS)
    _, output = logged("bench", [PYTHON, "-B", "bench/bench.py", "--build", builds.BENCH.path, "--quick"],
                       timeout_s=600)
    if not re.search(r"^marks: \d+ met", output, re.MULTILINE):
        raise Failure("the benchmark printed no marks", LOGS / "bench.log")
    return result + Counts(passed=1)


def guard(_everything):
    """Counts instead of timing, so a busy machine does not matter."""
    builds.compile_tree(builds.BENCH, ("src/cli/kferry", "bench/load", "bench/guard"))
    _, output = logged("guard", [PYTHON, "-B", "bench/guard.py", "--build", builds.BENCH.path], timeout_s=300,
                       may_fail=True)
    found = re.search(r"^(\d+) passed, (\d+) failed, (\d+) skipped$", output, re.MULTILINE)
    if not found:
        raise Failure("bench/guard.py printed no count", LOGS / "guard.log")
    return Counts(*(int(number) for number in found.groups()))


def demo(*words):
    """The three acts. On the mock cluster they must end in time and, however they end, leave nothing behind."""
    def run(_everything):
        builds.compile_tree(builds.DEMO, builds.DEMO_PROGRAMS)
        _, output = logged("demo", [PYTHON, "-B", "demo/demo.py", "--kferry", built(builds.DEMO), *words],
                           timeout_s=600)
        acts = re.findall(r"^act (\d) done\b", output, re.MULTILINE)
        if acts != ["1", "2", "3"]:
            raise Failure(f"the demo did not complete its three acts, only {acts}", LOGS / "demo.log")
        if words:
            return Counts(passed=3)
        took = re.search(r"^ *All of it took ([\d.]+) s", output, re.MULTILINE)
        in_time = took and float(took[1]) <= DEMO_SECONDS
        return Counts(passed=3) + Counts(int(bool(in_time)), int(not in_time)) + pytest("demo-test", ["demo"])
    return run


STEPS = [
    Step("layers", "includes follow the layers' arrows, headers compile alone", layers, "tests/layers_test.py",
         tuple(packages.BUILD)),
    Step("format", "clang-format-19 leaves every file as it is", formatting, packages=tuple(packages.FORMAT)),
    Step("build-release", "build, g++ release", build(builds.RELEASE), packages=tuple(packages.BUILD)),
    Step("build-asan", "build, clang 19 with ASan and UBSan", build(builds.ASAN),
         packages=tuple(packages.BUILD + packages.SANITIZERS)),
    Step("unit-release", "unit tests, corpora and simulation, g++ release", unit(builds.RELEASE),
         packages=tuple(packages.BUILD)),
    Step("unit-asan", "unit tests, corpora and simulation, ASan and UBSan", unit(builds.ASAN),
         packages=tuple(packages.BUILD + packages.SANITIZERS)),
    Step("vectors", "frames made and judged by Kafka's own classes", vectors, "src/kafka/response_walker.cc",
         tuple(packages.VECTORS)),
    Step("tsan", "what crosses threads, under TSan", across_threads,
         packages=tuple(packages.BUILD + packages.SANITIZERS)),
    Step("trust", "certificate chains judged beside x509-limbo and Go", trust, "tests/trust",
         tuple(packages.BUILD + packages.go())),
    Step("cli", "the command line from outside", command_line, "tests/cli",
         tuple(packages.PYTEST + packages.COMMAND_LINE)),
    Step("packaging", "unit, scripts and profiles of the packages, Helm chart, blocks of the docs", packaging,
         "tests/packaging", tuple(packages.BUILD + packages.PYTEST + packages.PACKAGING + packages.go())),
    Step("monitoring", "alerts, runbooks and dashboard against the metrics (--all: a Prometheus that scrapes)", monitoring,
         "tests/monitoring", tuple(packages.PYTEST + packages.MONITORING)),
    Step("demo", "the demo's three acts, interrupted, killed, twice at once", demo(), "src/cli/run.cc",
         tuple(packages.BUILD + packages.DEMO + packages.PYTEST)),
    Step("e2e", "real Kafka through kferry", end_to_end, "src/cli/run.cc", tuple(packages.end_to_end())),
    Step("guest", "kernel TLS on Linux 6.12 (--all: 6.18), the floor on 6.1, under QEMU", guest, "tests/guest",
         tuple(packages.BUILD + packages.DEMO)),
    Step("guard", "instructions and system calls per frame, as bench/guard.json keeps them", guard, "bench/guard.json",
         tuple(packages.BUILD + packages.BENCH + packages.GUARD)),
    Step("bench", "benchmark, a smoke test", bench_smoke, "src/cli/run.cc", tuple(packages.BUILD + packages.BENCH)),
    Step("tidy", "clang-tidy-19 over src/", tidy, ".clang-tidy",
         tuple(packages.BUILD + packages.SANITIZERS + packages.TIDY), only_in_all=True),
    Step("simulation", "simulation of a million steps, ASan and UBSan", long_simulation, "tests/simulation",
         only_in_all=True),
    Step("fuzz", "fuzzing, five minutes a target", fuzzing, only_in_all=True,
         packages=tuple(packages.BUILD + packages.SANITIZERS)),
    Step("soak", "half an hour under a hostile mix: memory, descriptors, latency", soak, "tests/soak",
         tuple(packages.BUILD + packages.COMMAND_LINE), only_in_all=True),
    Step("changes", "upgrades under 2,000 connects a second, a rolling restart behind HAProxy", changes, "tests/changes",
         tuple(packages.BUILD + packages.BENCH + packages.PYTEST + packages.COMMAND_LINE), only_in_all=True),
    Step("packaging-all", "a release made twice; deb, rpm and image linted, installed, run", packaging_on_hosts,
         "tests/packaging", tuple(packages.BUILD + packages.PYTEST + packages.RELEASE + packages.PACKAGING
                                  + packages.LINT + packages.HOSTS + packages.end_to_end()), only_in_all=True),
    Step("kubernetes", "chart and manifests before a real API server", kubernetes, "tests/kubernetes",
         tuple(packages.PYTEST + packages.PACKAGING + packages.go() + packages.end_to_end()), only_in_all=True),
    Step("cli-json", "the command line from outside, where every line of its log is JSON", command_line_as_json, "tests/cli",
         tuple(packages.PYTEST + packages.COMMAND_LINE), only_in_all=True),
    Step("demo-kafka", "the demo on Apache Kafka", demo("--kafka"), "src/cli/run.cc",
         tuple(packages.BUILD + packages.DEMO + packages.end_to_end()), only_in_all=True),
    Step("tls-attacker", "TLS-Attacker before a listener", tls_attacker, TLS_ATTACKER, tuple(packages.end_to_end()),
         only_in_all=True),
    Step("compat", "the newest clients of other projects in three security modes", compatibility, "tests/compat",
         tuple(packages.end_to_end()), only_in_all=True),
    Step("e2e-epoll", "real Kafka through kferry on epoll", end_to_end_on_epoll, "src/cli/run.cc",
         tuple(packages.end_to_end()), only_in_all=True),
    Step("e2e-older", "an older Kafka through kferry", older_kafka, "src/cli/run.cc", tuple(packages.end_to_end()),
         only_in_all=True),
]
