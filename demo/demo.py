"""The demonstration, in three acts: what a Kafka client can do when it has no route to the brokers.

    demo.py --kferry PATH         librdkafka's mock cluster of three brokers
            --kafka               three brokers of Apache Kafka, and its own perf tests as the client
            --keep                leaves it up after the third act, with lines to paste, until Enter or Ctrl-C
            --mock-cluster PATH   where mock_cluster.cc was built to; else in the build tree of PATH

Act 1: straight to the brokers. Act 2: through a plain TCP proxy. Act 3: through kferry. Real clients do what
is shown, and an act that does not end as it should ends the demonstration with status 1.

Everything happens in network namespaces named after this process (tests/e2e/lab): two demonstrations do not
meet, nothing outlives this one but what a kill -9 leaves, and the next one removes that. Needs root.
"""

import argparse
import os
import pathlib
import select
import signal
import subprocess
import sys
import time

ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def be_deaf():
    for number in ENDING_SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def leave(number, _frame):
    """The first signal ends the demonstration; those after it cannot interrupt the cleaning."""
    be_deaf()
    raise SystemExit(128 + number)


for ending in ENDING_SIGNALS:  # before the imports, which take their time
    signal.signal(ending, leave)
CHECKOUT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(CHECKOUT / "tests/e2e"))

from lab import cleanup  # noqa: E402
from lab.dials import DialWatch  # noqa: E402

import scenes  # noqa: E402
from clients import Refused  # noqa: E402
from screen import Screen  # noqa: E402

ACTS = 3


class Play:
    """The acts, on one scene."""

    def __init__(self, screen, scene):
        self.screen, self.scene, self.client = screen, scene, scene.client
        self.dials = DialWatch(scene.clients)
        self.kferry = None

    def act(self, number, title, play):
        self.screen.act(number, ACTS, title)
        begun = self.screen.seconds()
        outcome = play()
        self.screen.act_done(number, outcome, self.screen.seconds() - begun)

    def all(self):
        self.act(1, "the client goes straight to the brokers", self.straight)
        self.act(2, "through a plain TCP proxy", self.through_plain_proxy)
        self.act(3, "through kferry", self.through_kferry)

    def straight(self):
        self.screen.tell("The client is given the brokers' own addresses.")
        self.client.fail_to_produce(self.scene.bootstrap)
        self.screen.tell(self.scene.unreachable)
        return "no connection to any broker"

    def through_plain_proxy(self):
        address = scenes.start_plain_proxy(self.scene)
        self.screen.tell(f"HAProxy listens at {address}, where the client can reach it, and passes every "
                         "connection on to one of the brokers. The client's first question gets through, and "
                         "an answer comes back:")
        told = self.client.ask_for_brokers(address)
        self.screen.notable("what the client was told: " + ", ".join(broker.address for broker in told))
        self.screen.tell("The proxy carried the answer as it was. A Kafka client goes on to the addresses in "
                         "the answer, because each partition is written and read at one broker alone, and so "
                         "it leaves the proxy:")
        before = self.dials.counts()
        self.client.fail_to_produce(address)
        dialled = self.dials.counts() - before
        names = {(scenes.GATEWAY, scenes.PLAIN_PORT): "the plain proxy"}
        self.show_dials(dialled, names, "a broker's own address")
        elsewhere = {f"{host}:{port}" for host, port in dialled} & {broker.address for broker in told}
        if not elsewhere:
            raise Refused("the client did not dial what it was told")
        return f"the client was told {told[0].address} and the like, and could not follow"

    def through_kferry(self):
        before = self.dials.counts()
        self.kferry = scenes.start_kferry(self.scene)
        address = self.kferry.bootstrap()
        self.screen.tell("kferry listens in the proxy's place, on one port for each broker. This is all that "
                         "it is told:")
        self.screen.verbatim("\n".join(f"{name}={value}" for name, value in self.kferry.variables.items()))
        self.screen.typed("gateway", "kferry run")
        self.screen.tell("The same question, and the answer with the addresses rewritten: each port leads to "
                         "one broker.")
        told = self.client.ask_for_brokers(address)
        sent_at = time.monotonic()
        sent = self.client.produce(address)
        got_at = time.monotonic()
        got = self.client.consume(address)
        end = time.monotonic()
        self.screen.notable(f"{sent} records produced in {got_at - sent_at:.1f} s, {got} consumed in "
                            f"{end - got_at:.1f} s, the client's start and end included")
        if sent != got:
            raise Refused(f"{sent} records produced, {got} consumed")
        dialled = self.dials.counts() - before
        names = {(host, int(port)): f"kferry, for broker {broker.node_id}"
                 for broker in told for host, _, port in [broker.address.rpartition(":")]}
        self.show_dials(dialled, names, "NOT KFERRY'S")
        if set(dialled) != set(self.kferry.listener.addresses()):
            raise Refused("the client was to dial kferry's three ports and nothing else")
        return f"{sent} records produced, {got} consumed, nothing but kferry dialled"

    def show_dials(self, dialled, names, otherwise):
        self.screen.tell("Every TCP connection that the client began, as a capture in its network saw it:")
        for (host, port), times in sorted(dialled.items()):
            name = names.get((host, port), otherwise)
            self.screen.notable(f"  {f'{host}:{port}':<16} {times:3} times   {name}")

    def stay(self):
        """Until Enter, Ctrl-C, or until a part of it ends by itself."""
        sudo = "sudo " if os.environ.get("SUDO_USER") else ""
        self.screen.tell("It stays up. In another terminal, as the client:")
        for line in self.client.lines_to_paste(self.kferry.bootstrap()):
            self.screen.typed("", f"{sudo}ip netns exec {self.scene.clients.name} {line}")
        terminal = open_terminal()
        self.screen.tell("Enter or Ctrl-C ends it." if terminal else "Ctrl-C ends it.")
        while all(process.running() for process in self.scene.watched):
            if not terminal:
                time.sleep(0.5)
            elif select.select([terminal], [], [], 0.5)[0] and in_foreground(terminal):
                terminal.readline()
                return
        raise Refused("a part of the demonstration ended by itself: "
                      + ", ".join(process.name for process in self.scene.watched if not process.running()))


def open_terminal():
    """./dev leaves no standard input, yet there may be a terminal."""
    try:
        return open("/dev/tty", encoding="utf-8", errors="replace")
    except OSError:
        return None


def in_foreground(terminal):
    return os.tcgetpgrp(terminal.fileno()) == os.getpgrp()


def parse_words():
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--kferry", type=pathlib.Path, required=True)
    parser.add_argument("--mock-cluster", type=pathlib.Path)
    parser.add_argument("--kafka", action="store_true")
    parser.add_argument("--keep", action="store_true")
    words = parser.parse_args()
    # build/release/src/cli/kferry and build/release/demo/mock_cluster
    beside = words.kferry.resolve().parents[2] / "demo/mock_cluster"
    words.mock_cluster = (words.mock_cluster or beside).resolve()
    for program in [words.kferry] + ([] if words.kafka else [words.mock_cluster]):
        if not os.access(program, os.X_OK):
            parser.error(f"{program} is not there: ./dev demo builds it")
    if os.geteuid() != 0:
        parser.error("the demonstration makes network namespaces: run it as root")
    return words


def show_logs(screen, directory):
    for log in sorted(directory.glob("*.log")):
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:]
        if lines and log.name.startswith(("brokers", "haproxy", "kferry")):
            screen.wrong(f"  the end of {log.name}:")
            for line in lines:
                screen.wrong(f"  | {line[:300]}")


def perform(words, screen, directory):
    kind = scenes.RealKafka if words.kafka else scenes.Embedded
    screen.title("kferry: Kafka for clients that have no route to the brokers")
    screen.verbatim(kind.picture)
    screen.blank()
    screen.tell("A Kafka client connects twice: first to any address of the cluster, to ask which brokers "
                "there are, then to each broker, at the address that the answer gave. Where the client has "
                "no route to those addresses, a tunnel or a proxy for the first connection does not help it.")
    screen.blank()
    screen.step("making the networks")
    scene = kind(screen, directory, words.mock_cluster)
    screen.step(f"the brokers are up: {scene.bootstrap}")
    play = Play(screen, scene)
    play.all()
    screen.tell(f"All of it took {screen.seconds():.1f} s.")
    if words.keep:
        play.stay()


def main():
    words = parse_words()
    os.environ["KFERRY"] = str(words.kferry.resolve())
    screen = Screen()
    cleanup.remove_stale()
    directory = cleanup.scratch_directory()
    try:
        perform(words, screen, directory)
    except BrokenPipeError:  # nobody watches any more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (Refused, AssertionError, RuntimeError, OSError, subprocess.SubprocessError) as problem:
        be_deaf()
        screen.wrong(f"The demonstration failed: {problem}")
        if isinstance(problem, subprocess.CalledProcessError) and problem.cmd[0] == "ip":
            screen.wrong("It makes network namespaces: in a container that takes the capabilities SYS_ADMIN and "
                         "NET_ADMIN (docker run --privileged).")
        screen.came(getattr(problem, "lines", []), "bad")
        show_logs(screen, directory)
        return 1
    finally:
        be_deaf()
    return 0


if __name__ == "__main__":
    sys.exit(main())
