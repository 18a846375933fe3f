"""The Java clients of lab/java/Driver.java, from Python."""

import itertools
import re

from . import kafka_jars, tools
from .processes import Process

_names = itertools.count(1)


class Client:
    """One client of a process that speaks as the driver does; what it said so far, and what it will say."""

    def __init__(self, process, name, since=0):
        self._process, self.name, self.since = process, name, since

    def events(self, event):
        """The words of every `event` so far, each a list."""
        start = f"{self.name} {event}"
        return [
            line[len(start) :].split()
            for line in self._process.lines(self.since)
            if line == start or line.startswith(start + " ")
        ]

    def mark(self):
        return self._process.mark()

    def wait(self, event, timeout=30, since=None, count=1):
        """Waits for the `count`-th `event` (a regular expression) after `since`."""
        pattern = rf"^{re.escape(self.name)} (?:{event})(?: |$)"
        return self._process.wait_for_line(pattern, timeout, self.since if since is None else since, count)

    def until(self, condition, event, timeout=30):
        """Waits until `condition()` holds, looking again at every further `event`."""
        while True:
            mark = self.mark()
            if condition():
                return
            self.wait(event, timeout, since=mark)

    def until_got(self, values, timeout=30):
        """Waits until a consumer has got all these values; `timeout` is from one record to the next."""
        try:
            self.until(lambda: values <= set(self.got()), "got", timeout)
        except AssertionError as problem:
            missing = sorted(values - set(self.got()))
            raise AssertionError(f"{self.name} lacks {len(missing)} of {len(values)}: {missing[:5]}") from problem

    def finish(self, timeout=30):
        """Waits until it has ended well."""
        match = self.wait("ended|failed", timeout)
        assert match[0].split()[1] == "ended", f"{self.name}: {match.string}"
        return self

    def stop(self, timeout=30):
        tell(self._process, "stop", self.name)
        return self.finish(timeout)

    def acked(self):
        """The values of the records that brokers acknowledged, a producer's."""
        return {f"{self.name}-{words[0]}" for words in self.events("acked")}

    def got(self):
        """The values that a consumer got, in order."""
        return [words[0] for words in self.events("got")]

    def longest_silence(self, begin, end):
        """The longest time without a record acknowledged or got, in whichever partition, in seconds; `begin` and `end` by
        time.time()."""
        at = {}
        for words in self.events("got" if self.name.startswith("consumer") else "acked"):
            at.setdefault(words[1], []).append(int(words[3]) / 1000)
        times = [[begin, *(time for time in sorted(each) if begin < time < end), end] for each in at.values()]
        return max(later - earlier for each in times for earlier, later in zip(each, each[1:]))


def tell(process, verb, name, words=()):
    process.stdin.write("\t".join([verb, name, *words]).encode() + b"\n")
    process.stdin.flush()


class Driver:
    """A JVM of Kafka clients inside a namespace, all with one bootstrap list unless told otherwise. `launcher` is a command
    that becomes it by exec."""

    def __init__(self, namespace, log_path, bootstrap=None, more=(), launcher=()):
        self.bootstrap = bootstrap
        command = [*launcher, *kafka_jars.java("client", ["Driver"], heap="384m", more=more)]
        self.process = Process(command, log_path, namespace, stdin=True)

    def ready(self):
        self.process.wait_for_line("^driver ready$", 30)
        return self

    def start(self, verb, bootstrap=None, lab=None, **properties):
        """Starts `verb`. Properties are the client's, with `_` for `.`; `lab` holds the driver's own."""
        name = f"{verb}{next(_names)}"
        words = [f"bootstrap.servers={bootstrap or self.bootstrap}"]
        words += [f"lab.{key}={value}" for key, value in (lab or {}).items()]
        words += [f"{key.replace('_', '.')}={value}" for key, value in properties.items()]
        since = self.process.mark()
        tell(self.process, verb, name, words)
        return Client(self.process, name, since)

    def do(self, verb, timeout=60, **more):
        """Starts `verb` and waits until it has ended well."""
        return self.start(verb, **more).finish(timeout)

    def tool(self, tool, *words, timeout=60):
        """Runs one of Kafka's tools inside this JVM, to its end: its output. Saves the start of a JVM where a test needs many."""
        lab = {"class": tools.CLASSES[tool], **{f"word.{number}": word for number, word in enumerate(words)}}
        client = self.start("tool", lab=lab)
        ending = client.wait("ended|failed", timeout)
        start = f"{client.name} out "
        lines = self.process.lines(client.since)
        output = "\n".join(line[len(start) :] for line in lines if line.startswith(start))
        assert ending[0].split()[1] == "ended", f"{tool} {' '.join(map(str, words))}: {ending.string}\n{output}"
        return output

    def close(self):
        self.process.kill()
