"""The build trees under build/: which compiler, which options, and running meson and its tests in them."""

import functools
import json
import shutil
from dataclasses import dataclass

import counts
import wolfssl
from progress import BUILD, CHECKOUT, Failure, logged

# A finding ends the program with a status of its own, so that it can never look like a passed test.
SANITIZER_OPTIONS = {
    "ASAN_OPTIONS": "detect_stack_use_after_return=1:strict_string_checks=1:detect_leaks=1",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
    "TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1",
}


@dataclass(frozen=True)
class Tree:
    name: str
    compiler: str
    options: tuple

    @property
    def path(self):
        return BUILD / self.name

    @property
    def kferry(self):
        return self.path / "src/cli/kferry"


RELEASE = Tree("release", "g++", ("-Dbuildtype=release",))
# The same tree, with what the demonstration needs besides kferry.
DEMO = Tree("release", "g++", ("-Dbuildtype=release", "-Ddemo=true"))
DEMO_PROGRAMS = ("src/cli/kferry", "demo/mock_cluster")
ASAN = Tree("asan", "clang++-19", ("-Dbuildtype=debugoptimized", "-Db_sanitize=address,undefined"))
TSAN = Tree("tsan", "clang++-19", ("-Dbuildtype=debugoptimized", "-Db_sanitize=thread"))
FUZZ = Tree("fuzz", "clang++-19", ("-Dbuildtype=debugoptimized", "-Db_sanitize=address,undefined",
                                   "-Dfuzzers=true"))
BENCH = Tree("bench", "g++", ("-Dbuildtype=release", "-Dbench=true"))


@functools.cache
def with_wolfssl():
    """The option that names its build: with another one, meson configures anew."""
    return f"-Dwolfssl_prefix={wolfssl.ensure().relative_to(CHECKOUT)}"


def knows_options(tree):
    """False for a tree that was set up before the checkout had all the options of today."""
    shown = tree.path / "meson-info/intro-buildoptions.json"
    if not shown.exists():
        return False
    known = {option["name"] for option in json.loads(shown.read_text())}
    return "wolfssl_prefix" in known


def set_up(tree):
    library = with_wolfssl()
    # Meson looks for ccache only where no compiler is named.
    cached = "ccache " if shutil.which("ccache") else ""
    ready = (tree.path / "build.ninja").exists() and knows_options(tree)
    if not ready and tree.path.exists():
        shutil.rmtree(tree.path)  # a set-up that was interrupted
    command = ["meson", "setup", tree.path, CHECKOUT, library, *tree.options]
    if ready:
        command = ["meson", "configure", tree.path, library, *tree.options]
    c_compiler = {"g++": "gcc", "clang++-19": "clang-19"}[tree.compiler]
    logged(f"build-{tree.name}", command, environment={"CXX": cached + tree.compiler, "CC": cached + c_compiler})


def compile_tree(tree, targets=()):
    set_up(tree)
    logged(f"build-{tree.name}", ["ninja", "-C", tree.path, *targets], timeout_s=3600)


def tests_of(tree):
    """Every meson test of a tree that is set up: name and the program it runs."""
    shown = json.loads((tree.path / "meson-info/intro-tests.json").read_text())
    return [(test["name"], test["cmd"][0]) for test in shown]


def run_meson_tests(tree, names=(), multiplier=1, environment=None):
    log = tree.path / "meson-logs/testlog.json"
    log.unlink(missing_ok=True)
    status, _ = logged(f"test-{tree.name}",
                       ["meson", "test", "-C", tree.path, "--no-rebuild", "--print-errorlogs", "-t", multiplier, *names],
                       environment={**SANITIZER_OPTIONS, **(environment or {})}, timeout_s=1800, may_fail=True)
    if not log.exists():
        raise Failure("meson test left no record", BUILD / f"logs/test-{tree.name}.log")
    result = counts.of_meson(log)
    if status != 0 and result.failed == 0:
        result.failed = 1
    return result
