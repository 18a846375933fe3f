"""One measurement of one target: a workload of `load` between the client and the fake broker, or a process at rest.

Whatever spoils a figure (a wrong byte, an answer too few, an end, a load generator at its limit) is a BenchError
that says so.

What a load at its limit spoils: throughput and latency, which are its own then, and every comparison at one pace,
which it did not keep. What it does not spoil is CPU per request in a closed loop: the work was all done, and every
answer compared. It is an upper bound, since a proxy that waits for the load finds less to do at each turn. So a
figure of ours is never flattered by it, and a peer's only where the peer used less of its core than we of ours,
which is a mark missed in any case.
"""

import contextlib
import json
import subprocess
import sys

import processes
from processes import BenchError
from workloads import BOTH_TLS, EACH_WAY_MS, IDLE_CONNECTIONS, LISTENER_TLS, PLAIN, small

LOAD_CORE, PROXY_CORE = processes.usable_cores()[:2] if len(processes.usable_cores()) > 1 else (0, 0)
SATURATED = 0.95  # of its core, while the proxy is below it: then the load generator is what was measured
SPOILT = ("requests_per_s", "gb_per_s", "throughput", "p50_us", "p99_us")  # by that, in a closed loop
PACE_MIN = 0.8  # of a pace of its own that a workload has
RESUMED_MIN = 0.99  # of new connections that were to resume their sessions
RUN_TIMEOUT_S = 60
IDLE_DRIVE = ("--workload", "idle", "--connections", IDLE_CONNECTIONS)


class Saturated(BenchError):
    """The load generator could not do what was asked of it, and the proxy was not the cause."""


class Listening:
    """`load` as a server or relay: prints the port it listens on."""

    def __init__(self, load, what, *words):
        self.process = processes.start([load, *words], LOAD_CORE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                       text=True)
        line = self.process.stdout.readline().split()
        if len(line) != 2:
            raise BenchError(f"the {what} does not start: " + self.process.stderr.read())
        self.port = int(line[1])

    def last_words(self):
        return self.process.stderr.read().strip() if self.process.poll() is not None else ""

    def stop(self):
        processes.stop(self.process)


class Bench:
    """The fake broker and what drives it, with or without TLS."""

    def __init__(self, load, directory, tls):
        self.load, self.directory, self.tls = load, directory, tls
        self.broker = None
        self.broker_port = 0

    def start_broker(self):
        """The same port again after an end."""
        words = ["--serve", f"127.0.0.1:{self.broker_port}"]
        if self.tls == BOTH_TLS:
            words += ["--certificate", self.directory / "side.pem"]
        self.broker = Listening(self.load, "fake broker", *words)
        self.broker_port = self.broker.port

    def broker_alive(self):
        return self.broker is not None and self.broker.process.poll() is None

    def close(self):
        if self.broker is not None:
            self.broker.stop()

    def drive(self, target, port, arguments):
        command = [self.load, "--drive", f"127.0.0.1:{port}", *arguments]
        if self.tls == BOTH_TLS or (self.tls == LISTENER_TLS and target.name != "direct"):
            command += ["--authority", self.directory / "ca.crt"]
        return processes.start(command, LOAD_CORE, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)

    def fail_run(self, target, driver):
        processes.stop(driver)
        reasons = [driver.stderr.read().strip(), self.broker.last_words()]
        target.check_alive()
        raise BenchError("; ".join(filter(None, reasons)) or "the load ended without a figure")

    def run(self, workload, target, seconds, warm_up, requests_per_s=None):
        relay = None
        if workload.relay:
            relay = Listening(self.load, "relay", "--relay", "127.0.0.1:0", "--to", f"127.0.0.1:{target.port}",
                              "--each-way-ms", EACH_WAY_MS)
        try:
            return self._run(workload, target, relay, seconds * workload.seconds, warm_up, requests_per_s)
        finally:
            if relay:
                relay.stop()

    def _run(self, workload, target, relay, seconds, warm_up, requests_per_s):
        pace = ["--requests-per-second", requests_per_s] if requests_per_s else []
        arguments = [*workload.drive, *pace, "--seconds", seconds, "--warm-up", warm_up, "--wait"]
        load_pids = [self.broker.process.pid] + ([relay.process.pid] if relay else [])
        with contextlib.ExitStack() as stack:
            driver = stack.enter_context(self.drive(target, relay.port if relay else target.port, arguments))
            if driver.stdout.readline() != "ready\n":
                self.fail_run(target, driver)
            if workload.half_core:
                spinner = processes.start([sys.executable, "-c", "while True: pass"], PROXY_CORE)
                stack.callback(processes.stop, spinner)
                load_pids.append(spinner.pid)
            before = [processes.cpu_seconds(pids) for pids in (target.pids(), load_pids)]
            busy_before = processes.busy_seconds()
            driver.stdin.write("go\n")
            driver.stdin.flush()
            line = driver.stdout.readline()
            if not line:
                self.fail_run(target, driver)
            after = [processes.cpu_seconds(pids) for pids in (target.pids(), load_pids)]
            busy = processes.busy_seconds() - busy_before
            if driver.wait(RUN_TIMEOUT_S) != 0:
                self.fail_run(target, driver)
        target.check_alive()
        cpu, load = (processes.cpu_between(*both) for both in zip(before, after))
        got = json.loads(line)
        self.check_resumption(workload, target, got)
        return self.sample(workload, target, got, cpu, load, busy)

    @staticmethod
    def sample(workload, target, got, cpu, load, busy):
        seconds = got["seconds"]
        sample = {
            "requests": got["requests"],
            "requests_per_s": got["requests"] / seconds, "gb_per_s": got["bytes"] / seconds / 1e9,
            "cpu_s_per_gb": cpu / (got["bytes"] / 1e9),
            "cpu_us_per_connection" if workload.connects else "cpu_us_per_request": cpu / got["requests"] * 1e6,
            "p50_us": got["p50_us"], "p99_us": got["p99_us"],
            "proxy_core": cpu / seconds, "load_core": (got["cpu_seconds"] + load) / seconds,
        }
        if workload.connects and cpu > 0:
            sample["connections_per_cpu_s"] = got["requests"] / cpu
        sample["others_cores"] = max(0.0, busy / seconds - sample["load_core"] - sample["proxy_core"])
        sample["throughput"] = sample["requests_per_s" if workload.per_request else "gb_per_s"]
        if workload.half_core:
            # Rate and times are those of half a core.
            return {name: value for name, value in sample.items() if name not in SPOILT}
        if target.processes and sample["load_core"] > SATURATED > sample["proxy_core"]:
            if not workload.closed_loop:
                raise Saturated("saturated: the load had {load_core:.0%} of its core, the proxy {proxy_core:.0%}"
                                .format(**sample))
            return {name: value for name, value in sample.items() if name not in SPOILT} | {"load_limited": True}
        if workload.per_s and sample["requests_per_s"] < PACE_MIN * workload.per_s and sample["proxy_core"] < SATURATED:
            raise Saturated(f"the pace was not kept: {sample['requests_per_s']:.0f} of {workload.per_s} a second")
        return sample

    @staticmethod
    def check_resumption(workload, target, got):
        """Resumed sessions where they are wanted, and nowhere else."""
        wanted = "--resume" in workload.drive and target.processes
        part = got["resumed"] / got["requests"]
        if part < RESUMED_MIN if wanted else part > 0:
            raise BenchError(f"{got['resumed']} of {got['requests']} sessions were resumed")

    def at_rest(self, target):
        """Of a fresh process: memory, then memory for each idle connection once it has run for a moment."""
        target.start_afresh([self.broker_port], PROXY_CORE)
        memory = processes.memory_bytes(target.pids())
        self.run(small(1), target, 0.2, 0)
        before = processes.memory_bytes(target.pids())["private"]
        driver = self.drive(target, target.port, IDLE_DRIVE)
        if not driver.stdout.readline():
            self.fail_run(target, driver)
        after = processes.memory_bytes(target.pids())["private"]
        driver.stdin.close()
        if driver.wait(RUN_TIMEOUT_S) != 0:
            self.fail_run(target, driver)
        return {"rss_bytes": memory["rss"], "private_bytes": memory["private"],
                "idle_connection_bytes": (after - before) / IDLE_CONNECTIONS,
                "first_accept_ms": target.first_accept_s * 1e3, "first_answer_ms": target.first_answer_s * 1e3,
                "tls": self.tls != PLAIN}
