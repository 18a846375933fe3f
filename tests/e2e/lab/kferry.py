"""kferry, started in the middle namespace with its configuration in the environment."""

import itertools
import os
import pathlib
import re

from .namespaces import MIDDLE_TO_CLIENTS
from .processes import Process

# Disjoint ports for every kferry of a run: those of one test never meet those of another.
_first_ports = itertools.count(7000, 20)
_DEFECT = re.compile(r"AddressSanitizer|LeakSanitizer|ThreadSanitizer|runtime error:|KFERRY_ASSERT|assertion .*failed")


def binary():
    path = os.environ.get("KFERRY")
    if not path:
        raise RuntimeError("set KFERRY to the kferry binary under test, for example KFERRY=build/kferry")
    return pathlib.Path(path).resolve()


class Listener:
    """The ports of one listener, `count` of them from a fresh range."""

    def __init__(self, name="external", count=3, protocol="PLAINTEXT"):
        self.name, self.count, self.protocol = name, count, protocol
        self.first = next(_first_ports)
        self.host = MIDDLE_TO_CLIENTS

    @property
    def ports(self):
        return list(range(self.first, self.first + self.count))

    def addresses(self):
        return [(self.host, port) for port in self.ports]

    def bootstrap(self, index=0):
        """What a client is told: one port."""
        return f"{self.host}:{self.first + index}"

    def bootstrap_all(self):
        return ",".join(f"{self.host}:{port}" for port in self.ports)

    def variables(self):
        prefix = f"GATEWAY_LISTENER_{self.name.upper()}"
        last = self.first + self.count - 1
        return {
            f"{prefix}_PORTS": str(self.first) if last == self.first else f"{self.first}-{last}",
            f"{prefix}_ADVERTISED_HOST": self.host,
            f"{prefix}_SECURITY_PROTOCOL": self.protocol,
        }


class Kferry:
    """One kferry process, restartable on the same ports with the same configuration."""

    def __init__(self, network, directory, upstream, listener=None, more=None):
        self.network = network
        self.listener = listener or Listener()
        self.log_path = directory / f"kferry-{self.listener.first}.log"
        self._http_port = self.listener.first + 19
        self.variables = {
            "KAFKA_BOOTSTRAP_SERVERS": upstream,
            "KAFKA_SECURITY_PROTOCOL": self.listener.protocol,
            "GATEWAY_LISTENER_NAMES": self.listener.name,
            "GATEWAY_SECURITY_MODE": "KAFKA_MANAGED",
            "GATEWAY_ACL_ENABLED": "false",
            "GATEWAY_HTTP_PORT": str(self._http_port),
            **self.listener.variables(),
            **(more or {}),
        }
        self.process = None
        self._defects = []

    def start(self):
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": "/nonexistent",
            "ASAN_OPTIONS": "abort_on_error=0:detect_leaks=1",
            "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
            **self.variables,
        }
        self.process = Process([binary(), "run"], self.log_path, self.network.middle, environment)
        self.process.wait_for_line(r"\bready\b", 15)
        return self

    def bootstrap(self, index=0):
        return self.listener.bootstrap(index)

    def mark(self):
        return self.process.mark()

    def log(self, since=0):
        return self.process.lines(since)

    def matching(self, pattern, since=0):
        expression = re.compile(pattern)
        return [line for line in self.log(since) if expression.search(line)]

    def wait_for_log(self, pattern, timeout=10, since=0):
        return self.process.wait_for_line(pattern, timeout, since).string

    def running(self):
        return self.process.running()

    def open_descriptors(self):
        return len(os.listdir(f"/proc/{self._kferry_pid()}/fd"))

    def _kferry_pid(self):
        # setpriv and nsenter exec in place: the process started is kferry.
        return self.process.pid

    def kill(self):
        self.process.kill()

    def stop(self, timeout=20):
        """Stops it gracefully; fails if it did not end well or a sanitizer or assertion spoke."""
        was_running = self.process.running()
        code = self.process.stop(timeout)
        defects = [line for line in self.process.lines() if _DEFECT.search(line)]
        assert not defects, "kferry reported a defect of its own:\n" + "\n".join(defects)
        assert was_running, f"kferry had ended by itself with {self.process._process.returncode}"
        assert code is not None, f"kferry did not end within {timeout} s of SIGTERM"
        assert code == 0, f"kferry ended with {code}"
