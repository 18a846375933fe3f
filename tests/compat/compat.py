"""Clients of other projects, in several versions, through kferry in front of real Kafka: each takes its steps in each
security mode, and again without kferry if one fails, so that what the client or the broker cannot do is told from what
kferry breaks.

    compat.py                      the whole matrix; writes docs/compatibility.md
    compat.py --small              the newest version of each client in three modes; writes nothing

KFERRY is the binary, KFERRY_BACKEND its engine, KFERRY_KAFKA_VERSION the brokers'. Needs root, for the network
namespaces of tests/e2e. Exit status 1 if anything fails through kferry alone.
"""

import argparse
import dataclasses
import datetime
import json
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
CHECKOUT = HERE.parent.parent
sys.path.insert(0, str(CHECKOUT / "tests/e2e"))

from lab import cleanup, kafka_jars, wheels  # noqa: E402
from lab.certificates import Authority  # noqa: E402
from lab.dials import DialWatch  # noqa: E402
from lab.kafka import MUTUAL_PORT, SASL_PORT, SASL_TLS_PORT, TLS_PORT  # noqa: E402
from lab.kafka import PASSWORD, USER, Cluster, prepare_archive  # noqa: E402
from lab.kferry import Kferry, Listener, binary  # noqa: E402
from lab.namespaces import Network  # noqa: E402
from lab.tls_sides import listener, upstream  # noqa: E402

PAGE = CHECKOUT / "docs/compatibility.md"
CLIENT_S = 300


@dataclasses.dataclass(frozen=True)
class Client:
    name: str
    wheels: tuple
    program: str
    newest: bool = False
    tokens: bool = False  # makes unsecured tokens for OAUTHBEARER by itself
    scram: bool = True  # librdkafka before 2.6.1 repeats its nonce, which brokers from 3.9 on refuse

    def can(self, mode):
        """Whether client and brokers understand each other without kferry."""
        return self.tokens if mode.mechanism == "OAUTHBEARER" else self.scram or "SCRAM" not in (mode.mechanism or "")


@dataclasses.dataclass(frozen=True)
class Mode:
    name: str
    side: str  # of both listeners, as lab.tls_sides has it
    mechanism: str | None = None
    small: bool = False

    @property
    def protocol(self):
        return ("SASL_" if self.mechanism else "") + ("PLAINTEXT" if self.side == "plain" else "SSL")


CLIENTS = [
    Client("confluent-kafka 2.16.1", ("confluent-kafka==2.16.1",), "confluent.py", newest=True, tokens=True),
    Client("confluent-kafka 2.0.2", ("confluent-kafka==2.0.2",), "confluent.py", tokens=True, scram=False),
    Client("kafka-python 3.0.12", ("kafka-python==3.0.12",), "kafka_python.py", newest=True),
    Client("kafka-python 2.2.15", ("kafka-python==2.2.15",), "kafka_python.py"),
    Client("aiokafka 0.14.0", ("aiokafka==0.14.0",), "aio.py", newest=True),
]
MODES = [
    Mode("PLAINTEXT", "plain", small=True),
    Mode("SASL_PLAINTEXT, PLAIN", "plain", "PLAIN"),
    Mode("SASL_PLAINTEXT, SCRAM-SHA-512", "plain", "SCRAM-SHA-512"),
    Mode("SASL_PLAINTEXT, OAUTHBEARER", "plain", "OAUTHBEARER"),
    Mode("SSL", "tls"),
    Mode("SSL, client certificate", "mutual", small=True),
    Mode("SASL_SSL, SCRAM-SHA-512", "tls", "SCRAM-SHA-512", small=True),
]


class Laboratory:
    """Three brokers, one kferry with a cluster for each kind of listener, and a watch on what clients dial."""

    def __init__(self):
        cleanup.end_on_signals()
        directory = cleanup.scratch_directory()
        kafka_jars.prepare()
        self.network = Network()
        self.watch = DialWatch(self.network.clients)
        self.authority = Authority(directory / "authority")
        prepare_archive(self.network, directory / "archive")
        self.cluster = Cluster(self.network, directory / "cluster", authority=self.authority)
        self.cluster.start()
        sides = [("sasl", "plain", True), ("tls", "tls", False), ("mutual", "mutual", False), ("sasltls", "tls", True)]
        clusters = [upstream(name, side, sasl, self.cluster, self.authority,
                             [listener(side, sasl, self.authority, name)]) for name, side, sasl in sides]
        self.kferry = Kferry(self.network, directory, self.cluster.bootstrap(), Listener(), upstreams=clusters)
        self.watch.kferrys.update(self.kferry.addresses())
        self.kferry.start()
        ports = {("plain", True): SASL_PORT, ("tls", False): TLS_PORT, ("mutual", False): MUTUAL_PORT,
                 ("tls", True): SASL_TLS_PORT}
        self._through = {(side, sasl): one.listeners[0].bootstrap() for one, (_, side, sasl) in zip(clusters, sides)}
        self._through["plain", False] = self.kferry.bootstrap()
        self._direct = {key: self.cluster.bootstrap(port) for key, port in ports.items()}
        self._direct["plain", False] = self.cluster.bootstrap()
        self._runs = 0

    def run(self, client, mode, direct=False):
        """The steps of one run, by name, each with its error or None."""
        self._runs += 1
        key = mode.side, mode.mechanism is not None
        words = {"bootstrap": (self._direct if direct else self._through)[key], "prefix": f"compat-{self._runs}",
                 "protocol": mode.protocol}
        if mode.mechanism:
            words |= {"mechanism": mode.mechanism, "user": USER, "password": PASSWORD}
        if mode.side != "plain":
            words["ca"] = str(self.authority.certificate)
        if mode.side == "mutual":
            own = self.authority.issue("client")
            words |= {"certificate": str(own.certificate), "key": str(own.key)}
        python = wheels.environment(client.program.removesuffix(".py"), list(client.wheels)) / "bin/python"
        place = self.network.brokers if direct else self.network.clients
        try:
            command = [*place.enter_command(), python, "-B", HERE / "clients" / client.program, json.dumps(words)]
            done = subprocess.run(command, text=True, capture_output=True, timeout=CLIENT_S, check=False)
            said, rest = done.stdout, done.stderr[-500:] if done.returncode else ""
        except subprocess.TimeoutExpired as late:
            said, rest = (late.stdout or b"").decode(), f"not done within {CLIENT_S} s"
        told = [json.loads(line) for line in said.splitlines() if line.startswith('{"step"')]
        steps = {one["step"]: None if one["ok"] else one["error"] for one in told}
        return steps | ({"the program itself": rest} if rest or not steps else {})

    def close(self):
        self.kferry.stop()
        self.cluster.kill()
        self.watch.close()
        self.network.delete()


def judge(laboratory, client, mode):
    """(steps that pass, failures through kferry alone, failures also without it)."""
    steps = laboratory.run(client, mode)
    failed = {name: error for name, error in steps.items() if error is not None}
    without = laboratory.run(client, mode, direct=True) if failed else {}
    own = {name: error for name, error in failed.items() if without.get(name, "not reached") is None}
    return len(steps) - len(failed), own, {name: error for name, error in failed.items() if name not in own}


def cell(outcome):
    passed, own, others = outcome
    if own:
        return f"**{len(own)} fail**: {', '.join(own)}"
    return f"{passed} steps" + (f"; as without kferry, {', '.join(others)} fails" if others else "")


def page(outcomes, elsewhere):
    version = subprocess.run([binary(), "--version"], text=True, capture_output=True, check=True).stdout.splitlines()
    backend = os.environ.get("KFERRY_BACKEND", "auto")
    modes = [mode for mode in MODES if any(key[1] == mode for key in outcomes)]
    clients = [client for client in CLIENTS if any(key[0] == client for key in outcomes)]
    rows = [[client.name, *(cell(outcomes[client, mode]) if (client, mode) in outcomes else "not run" for mode in modes)]
            for client in clients]
    return f"""# Clients that were run through kferry

`./dev compat` wrote this page on {datetime.date.today():%Y-%m-%d}: {version[0]}, {version[2].split(",")[0]}, backend {backend},
Apache Kafka {kafka_jars.VERSION}. Each client takes its steps (metadata, topics, produce, consume in a group, transactions,
administration, as far as it has them) in each security mode, and a failed one once more without kferry. Clients may dial
kferry alone: {elsewhere} dials went elsewhere.

{line(["client", *(mode.name for mode in modes)])}
{line(["---"] * (len(modes) + 1))}
{chr(10).join(map(line, rows))}

Java's client, Streams, Kafka's tools, kcat and franz-go run in [tests/e2e](../tests/e2e/README.md), with reassignments, failures
and rolling restarts. "not run": OAUTHBEARER where the client program would have to make the tokens, and SCRAM of librdkafka before
2.6.1, which these brokers refuse without kferry, too (seen with 2.3.0): it repeats its nonce.
"""


def line(cells):
    return f"| {' | '.join(cells)} |"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--only", metavar="WORD", default="", help="clients whose name has this word")
    options = parser.parse_args()
    laboratory, outcomes, counted = Laboratory(), {}, [0, 0]
    try:
        for client in CLIENTS:
            for mode in MODES:
                wanted = options.only in client.name and (not options.small or (client.newest and mode.small))
                if wanted and client.can(mode):
                    outcomes[client, mode] = outcome = judge(laboratory, client, mode)
                    counted[bool(outcome[1])] += 1
                    print(f"{client.name:24} {mode.name:30} {cell(outcome)}", *outcome[1].items(), sep="  ", flush=True)
        elsewhere = sum(count for address, count in laboratory.watch.counts().items()
                        if address not in laboratory.watch.kferrys and not address[0].startswith("127."))
        print(f"dials past kferry: {elsewhere}")
        counted[elsewhere > 0] += 1
        if not options.small and not options.only:
            PAGE.write_text(page(outcomes, elsewhere))
    finally:
        laboratory.close()
    print(f"{counted[0]} passed, {counted[1]} failed")
    return int(counted[1] > 0)


if __name__ == "__main__":
    sys.exit(main())
