"""The Kafka clients of the demonstration, run where the client lives.

Each asks which brokers there are, tries in vain to produce, produces, and reads everything back. Kcat is
librdkafka's command line client and compares every record with what was sent; PerfTest is Apache Kafka's own
pair of perf tests, which count.
"""

import random
import re
import shlex
from dataclasses import dataclass

from lab.processes import run
from lab.tools import Tools


class Refused(Exception):
    """Something did not end as the demonstration says it does. `lines` is what a program said."""

    def __init__(self, text, lines=()):
        super().__init__(text)
        self.lines = list(lines)


def in_time(tool, run_it):
    """The laboratory names the whole command of what is late, with hundreds of jars."""
    try:
        return run_it()
    except AssertionError as late:
        raise Refused(f"{tool} was not done in time", str(late).splitlines()[1:]) from None


@dataclass(frozen=True)
class Told:
    """One broker, as a client was told of it."""

    node_id: int
    address: str


class Client:
    def __init__(self, screen, namespace, directory, topic):
        self.screen, self.namespace, self.directory, self.topic = screen, namespace, directory, topic

    def kcat(self, bootstrap, *words, stdin=None, typed=""):
        """`typed` is how a person would give it its standard input."""
        command = ["kcat", "-b", bootstrap, *words]
        self.screen.typed("client", shlex.join(command) + typed)
        done = in_time("kcat", lambda: run(command, self.directory / "kcat.log", self.namespace, timeout=30,
                                           stdin=stdin))
        return done.code, done.output.splitlines()

    def ask_for_brokers(self, bootstrap):
        """What any client does first."""
        code, lines = self.kcat(bootstrap, "-L", "-m", "5")
        found = [re.search(r"broker (\d+) at (\S+)", line) for line in lines]
        told = [Told(int(match[1]), match[2]) for match in found if match]
        if code != 0 or not told:
            raise Refused(f"{bootstrap} did not say which brokers there are", lines)
        self.screen.came([line for line in lines if "broker" in line])
        return told

    def lines_to_paste(self, bootstrap):
        kcat = f"kcat -b {bootstrap}"
        shown = r"partition %p, offset %o, %S octets\n"
        return [f"{kcat} -L", f"{kcat} -C -t {self.topic} -o -1 -e -q -f '{shown}'"]


class Kcat(Client):
    # The mock cluster keeps about 5 MB of each partition.
    RECORDS = 6000
    SIZE = 1024

    def __init__(self, *arguments):
        super().__init__(*arguments)
        octets = random.Random(1)
        self._records = [f"key{number}:{number:06d} {octets.randbytes(self.SIZE // 2).hex()}"[: self.SIZE]
                         for number in range(self.RECORDS)]

    def fail_to_produce(self, bootstrap):
        """Tries for a second, where its default is five minutes, and must not get a record across."""
        impatient = ["-X", "message.timeout.ms=1000", "-X", "log_level=2"]
        code, lines = self.kcat(bootstrap, "-P", "-t", self.topic, *impatient, stdin="hello\n",
                                typed=" <<< hello")
        if code == 0:
            raise Refused(f"a record reached the cluster by {bootstrap}", lines)
        self.screen.came(lines, "bad")

    def produce(self, bootstrap):
        """Keys spread the records over all partitions. Returns their number, as `consume`."""
        everything = "".join(f"{record}\n" for record in self._records)
        code, lines = self.kcat(bootstrap, "-P", "-t", self.topic, "-K:", stdin=everything,
                                typed=f" < {self.RECORDS}-records-of-1-KiB")
        if code != 0:
            raise Refused(f"kcat ended with {code}", lines)
        self.screen.came(lines, "bad")
        return self.RECORDS

    def consume(self, bootstrap):
        """Reads every partition to its end."""
        whole = ["-o", "beginning", "-e", "-q", "-f", r"%k:%s\n"]
        code, got = self.kcat(bootstrap, "-C", "-t", self.topic, *whole)
        if code != 0 or sorted(got) != sorted(self._records):
            same = len(set(got) & set(self._records))
            raise Refused(f"of {self.RECORDS} records {same} came back as sent, in {len(got)} lines; kcat "
                          f"ended with {code}", got[-3:])
        self.screen.tell(f"{len(got)} records came back, and each is octet for octet as it was sent.")
        return len(got)


class PerfTest(Client):
    RECORDS = 50_000
    # Without a producer id, which an unreachable broker does not give, an idempotent producer never gives up.
    IMPATIENT = {"max.block.ms": 3000, "delivery.timeout.ms": 3000, "request.timeout.ms": 2000,
                 "linger.ms": 0, "socket.connection.setup.timeout.ms": 1000,
                 "socket.connection.setup.timeout.max.ms": 1000, "enable.idempotence": "false"}

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self._tools = Tools(self.namespace, self.directory)

    def _run(self, tool, *words):
        self.screen.typed("client", shlex.join([f"{tool}.sh", *map(str, words)]))
        done = in_time(tool, lambda: self._tools.try_to_run(tool, *words, timeout=60))
        return done.code, [line for line in done.output.splitlines() if not re.match(r"\s|OpenJDK", line)]

    def _produce(self, bootstrap, count, *more):
        code, lines = self._run("kafka-producer-perf-test", "--bootstrap-server", bootstrap,
                                "--topic", self.topic, "--num-records", count, "--record-size", 1024,
                                "--throughput", -1, *more)
        sent = code == 0 and not any("Exception" in line for line in lines)
        return sent and any(line.startswith(f"{count} records sent") for line in lines), lines

    def fail_to_produce(self, bootstrap):
        """Must not get a record across."""
        self.screen.tell("(Its settings make it give up after three seconds. The defaults are two minutes.)")
        impatient = self._tools.properties_file(self.IMPATIENT)
        sent, lines = self._produce(bootstrap, 1, "--command-config", impatient)
        if sent:
            raise Refused(f"a record reached the cluster by {bootstrap}", lines)
        self.screen.came([line for line in lines if "records sent" not in line], "bad")

    def produce(self, bootstrap):
        """Returns the number of records, as `consume`."""
        sent, lines = self._produce(bootstrap, self.RECORDS)
        if not sent:
            raise Refused("not every record was sent", lines)
        self.screen.came(lines)
        return self.RECORDS

    def consume(self, bootstrap):
        code, lines = self._run("kafka-consumer-perf-test", "--bootstrap-server", bootstrap,
                                "--topic", self.topic, "--num-records", self.RECORDS, "--timeout", 20_000)
        rows = [line.split(", ") for line in lines if line.count(",") >= 5]
        if code != 0 or len(rows) < 2:
            raise Refused(f"kafka-consumer-perf-test ended with {code}", lines)
        measured = {name.strip(): value for name, value in zip(rows[-2], rows[-1])}
        self.screen.came([f"{name}: {measured[name]}" for name in
                          ("data.consumed.in.nMsg", "data.consumed.in.MB", "MB.sec", "nMsg.sec")])
        return int(float(measured["data.consumed.in.nMsg"]))
