"""kferry, started in the middle namespace with its configuration in the environment."""

import contextlib
import itertools
import json
import os
import pathlib
import re
import signal

from . import cleanup
from .namespaces import MIDDLE_TO_CLIENTS
from .processes import Process, becomes, run

READY = r"\bready\b"
# Disjoint ports for every listener of a run: those of one test never meet those of another.
_first_ports = itertools.count(7000, 20)
_DEFECT = re.compile(r"AddressSanitizer|LeakSanitizer|ThreadSanitizer|runtime error:|KFERRY_ASSERT|assertion .*failed")


def binary():
    path = os.environ.get("KFERRY")
    if not path:
        raise RuntimeError("set KFERRY to the kferry binary under test, for example KFERRY=build/kferry")
    return pathlib.Path(path).resolve()


class Listener:
    """The ports of one listener, `count` of them from a fresh range. `more` are further keys, a table among them for
    listeners in a file alone."""

    def __init__(self, name="external", count=3, protocol="PLAINTEXT", host=MIDDLE_TO_CLIENTS, bind=None, **more):
        self._more = more
        self.name, self.count, self.protocol, self.host, self._bind = name, count, protocol, host, bind
        self.first = next(_first_ports)

    @property
    def ports(self):
        return list(range(self.first, self.first + self.count))

    def addresses(self):
        return [(self.host, port) for port in self.ports]

    def address_of(self, node_id):
        """Where clients find this node."""
        return (self.host, self.ports[node_id % self.count])

    def bootstrap(self, index=0):
        """What a client is told: one port."""
        return f"[{self.host}]:{self.ports[index]}" if ":" in self.host else f"{self.host}:{self.ports[index]}"

    def _settings(self):
        last = self.first + self.count - 1
        settings = {
            "ports": str(self.first) if last == self.first else f"{self.first}-{last}",
            "advertised_host": self.host,
            "security_protocol": self.protocol,
        }
        return {**settings, **({"bind_address": self._bind} if self._bind else {}), **self._more}

    def variables(self):
        return {f"GATEWAY_LISTENER_{self.name.upper()}_{key.upper()}": value for key, value in self._settings().items()}

    def table(self, cluster):
        return _table(f"cluster.{cluster}.listener.{self.name}", self._settings())


class NamedListener(Listener):
    """One port for a whole cluster, `port` or a fresh one: the name that a client asks for tells the broker.

    `pattern` holds `{{nodeId}}`; `bootstrap_name` is what follows from it, unless `more` says it
    (`bootstrap_host_pattern`).
    """

    def __init__(self, name, pattern, bootstrap_name, protocol="SASL_SSL", port=None, **more):
        super().__init__(name, 1, protocol, **more)
        self._pattern, self._bootstrap_name = pattern, bootstrap_name
        self.first = port or self.first

    def name_of(self, node_id):
        return self._pattern.replace("{{nodeId}}", str(node_id))

    def names(self, node_ids):
        """Every name that a client may ask for."""
        return [self._bootstrap_name, *map(self.name_of, node_ids)]

    def bootstrap(self, index=0):
        return f"{self._bootstrap_name}:{self.first}"

    def _settings(self):
        settings = super()._settings()
        del settings["advertised_host"]
        return {**settings, "routing": "sni", "advertised_host_pattern": self._pattern}


class Upstream:
    """One more cluster of a kferry, for its file."""

    def __init__(self, name, bootstrap, *listeners, **more):
        self.name, self.listeners = name, listeners
        self._settings = {"bootstrap_servers": bootstrap, "security_protocol": listeners[0].protocol, **more}

    def text(self):
        return _table(f"cluster.{self.name}.upstream", self._settings) + "".join(
            listener.table(self.name) for listener in self.listeners
        )


def _value(value):
    """As TOML has it: a table in line, a path as its text."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_value(inner)}" for key, inner in value.items()) + " }"
    return json.dumps(str(value) if isinstance(value, os.PathLike) else value)


def _table(name, settings):
    return f"[{name}]\n" + "".join(f"{key} = {_value(value)}\n" for key, value in settings.items())


class Kferry:
    """One kferry process, restartable on the same ports with the same configuration.

    The variables describe its cluster `default`; `upstreams` are further ones, `limits` and `engine` the sections of
    those names, all in a file. With `control` it can be upgraded and drained. `launcher` is a command that becomes kferry's by exec. KFERRY_BACKEND is the engine's
    backend where `engine` does not say it.
    """

    def __init__(
        self, network, directory, upstream, listener=None, more=None, upstreams=(), limits=None, engine=None,
        launcher=(), control=False,
    ):  # fmt: skip
        self.network = network
        self.listener = listener or Listener()
        self._listeners = [self.listener, *(each for upstream in upstreams for each in upstream.listeners)]
        self.log_path = directory / f"kferry-{self.listener.first}.log"
        self.http_port = self.listener.first + 19
        self._launcher = list(launcher)
        self.variables = {
            "KAFKA_BOOTSTRAP_SERVERS": upstream or "",
            "KAFKA_SECURITY_PROTOCOL": self.listener.protocol,
            "GATEWAY_LISTENER_NAMES": self.listener.name,
            "GATEWAY_SECURITY_MODE": "KAFKA_MANAGED",
            "GATEWAY_ACL_ENABLED": "false",
            "GATEWAY_HTTP_PORT": str(self.http_port),
            "GATEWAY_CONTROL": str(directory / f"kferry-{self.listener.first}.sock") if control else "off",
            **self.listener.variables(),
            **(more or {}),
        }
        self._successors = []  # process ids
        self._words = []
        backend = os.environ.get("KFERRY_BACKEND")
        sections = {"limits": limits, "engine": {**({"backend": backend} if backend else {}), **(engine or {})}}
        text = "".join(each.text() for each in upstreams)
        text += "".join(_table(name, settings) for name, settings in sections.items() if settings)
        if text:
            file = directory / f"kferry-{self.listener.first}.toml"
            file.write_text(text)
            self._words = ["--config", file]
        self.process = None

    def addresses(self):
        """Of all its listeners."""
        return [address for listener in self._listeners for address in listener.addresses()]

    def _environment(self):
        return {
            "PATH": os.environ["PATH"],
            "HOME": "/nonexistent",
            "ASAN_OPTIONS": "abort_on_error=0:detect_leaks=1",
            "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
            **self.variables,
        }

    def upgrade(self):
        """Another process of the same binary takes its place; it writes to the same log."""
        done = self.run("upgrade", timeout=60)
        assert done.code == 0, done
        self._successors.append(int(re.search(r"process (\d+) serves now", done.output)[1]))

    def drain(self, timeout=60):
        """Ends it in order, as an operator does. Returns what the drain has said."""
        done = self.run("drain", timeout=timeout)
        assert becomes(lambda: not self.running()), "kferry runs after its drain"
        self.assert_no_defect()
        return done

    def _alive_successors(self):
        return [pid for pid in self._successors if cleanup.alive(pid)]

    def begin_start(self):
        command = [*self._launcher, binary(), "run", *self._words]
        self.process = Process(command, self.log_path, self.network.middle, self._environment())
        return self

    def start(self):
        self.begin_start()
        self.process.wait_for_line(READY, 30)
        return self

    def run(self, *words, timeout=30):
        """Another verb of the same binary with the same configuration, to its end."""
        return run([binary(), *words, *self._words], self.log_path, self.network.middle, self._environment(), timeout)

    def bootstrap(self, index=0):
        return self.listener.bootstrap(index)

    def mark(self):
        return self.process.mark()

    def log(self, since=0):
        return self.process.lines(since)

    def matching(self, pattern, since=0):
        expression = re.compile(pattern)
        return [line for line in self.log(since) if expression.search(line)]

    def wait_for_log(self, pattern, timeout=20, since=0):
        return self.process.wait_for_line(pattern, timeout, since).string

    def running(self):
        return self.process.running() or bool(self._alive_successors())

    def open_descriptors(self):
        """Without pipes: a worker keeps a few empty ones for the next splice."""
        return sum(not target.startswith("pipe:") for target in self._descriptors())

    def open_pipes(self):
        return sum(target.startswith("pipe:") for target in self._descriptors()) // 2

    def _descriptors(self):
        # setpriv, nsenter and the launcher exec in place: the process started is kferry.
        descriptors = pathlib.Path(f"/proc/{self.process.pid}/fd")
        targets = []
        for number in os.listdir(descriptors):
            with contextlib.suppress(FileNotFoundError):
                targets.append(os.readlink(descriptors / number))
        return targets

    def resident_kib(self):
        """The memory it has resident."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        return int(re.search(r"^VmRSS:\s+(\d+) kB", status, re.M)[1])

    def kill(self):
        for pid in self._alive_successors():
            os.kill(pid, signal.SIGKILL)
        self.process.kill()

    def stop(self, timeout=20):
        """Stops it gracefully; fails if it did not end well or a sanitizer or assertion spoke."""
        was_running = self.running()
        for pid in self._alive_successors():
            os.kill(pid, signal.SIGINT)
        assert becomes(lambda: not self._alive_successors(), timeout), f"a successor did not end within {timeout} s"
        code = self.process.stop(timeout, signal.SIGINT)  # without a lame duck
        self.assert_no_defect()
        assert was_running, f"kferry had ended by itself with {self.process.code()}"
        assert code is not None, f"kferry did not end within {timeout} s of SIGINT"
        assert code == 0, f"kferry ended with {code}"

    def assert_no_defect(self):
        defects = [line for line in self.process.lines() if _DEFECT.search(line)]
        assert not defects, "kferry reported a defect of its own:\n" + "\n".join(defects)
