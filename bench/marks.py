"""The marks: what a figure must be, as one row each, and how a run is held against it.

A mark is a ratio formed within each round; its median decides. Absolute ones have no second figure.
"""

from dataclasses import dataclass
from statistics import median

import workloads
from workloads import KIB

OURS, HAPROXY, SPLICE, NGINX, DIRECT = "kferry", "haproxy", "haproxy-splice", "nginx", "direct"
MET, MISSED, NO_FIGURE = "met", "MISSED", "no figure"


@dataclass(frozen=True)
class Figure:
    workload: str
    target: str
    metric: str
    less: str | None = None  # minus the same of this target

    def of(self, samples, number):
        """In a round; None where there is none."""
        value = self._value(samples, self.target, number)
        if self.less is None or value is None:
            return value
        less = self._value(samples, self.less, number)
        return None if less is None else value - less

    def _value(self, samples, target, number):
        for sample in samples.get(self.workload, {}).get(target, []):
            if sample["round"] == number and "error" not in sample:
                return sample.get(self.metric)
        return None


@dataclass(frozen=True)
class Mark:
    title: str
    ours: Figure
    limit: float
    against: Figure | None = None
    at_least: bool = False
    unit: str = ""
    scale: float = 1  # of the unit

    @property
    def figures(self):
        return [figure for figure in (self.ours, self.against) if figure]

    def judge(self, samples):
        """{'values', 'median', 'limit', 'verdict'}; None when its workloads were not run."""
        run = samples.get(self.ours.workload, {})
        if self.ours.target not in run or (self.against and self.against.target not in samples.get(
                self.against.workload, {})):
            return None
        values = []
        for number in {sample["round"] for sample in run[self.ours.target]}:
            ours = self.ours.of(samples, number)
            theirs = self.against.of(samples, number) if self.against else 1
            if ours is not None and theirs is not None and theirs > 0:
                values.append(ours / theirs / self.scale)
        result = {"mark": self.title, "limit": self.limit, "at_least": self.at_least, "unit": self.unit,
                  "values": values, "median": median(values) if values else None}
        met = bool(values) and (result["median"] >= self.limit if self.at_least else result["median"] <= self.limit)
        return result | {"verdict": NO_FIGURE if not values else MET if met else MISSED}


def against(title, workload, metric, target, limit, **more):
    """Ours by theirs, of one workload and metric."""
    less = more.pop("less", None)
    return Mark(title, Figure(workload, OURS, metric, less), limit, Figure(workload, target, metric, less), **more)


def _per_gb():
    limits = {256: {HAPROXY: 0.40, SPLICE: 1.1, NGINX: 0.55}, 1024: {HAPROXY: 0.30, SPLICE: 0.95, NGINX: 0.45}}
    for size, by_target in limits.items():
        for connections in (1, 4, 16):
            name = workloads.frames("fetch", 15, size, connections).name
            for target, limit in by_target.items():
                yield against(f"CPU per GB, {name}, against {target}", name, "cpu_s_per_gb", target, limit)


def _rewritten():
    for rewritten in workloads.WORKLOADS:
        if rewritten.name.startswith("fetch v17"):
            opaque = rewritten.name.replace("v17", "v15").replace(" 10 partitions", "")
            yield Mark(f"CPU per GB, {rewritten.name}, against our own opaque path",
                       Figure(rewritten.name, OURS, "cpu_s_per_gb"), 1.1, Figure(opaque, OURS, "cpu_s_per_gb"))


def _perf_tools(translating_peers):
    for tool in ("kafka-producer-perf-test", "kafka-consumer-perf-test"):
        yield against(f"CPU per GB, {tool}, against {SPLICE}", tool, "cpu_s_per_gb", SPLICE, 1.0)
        for peer in translating_peers:
            yield against(f"CPU per GB, {tool}, against {peer}", tool, "cpu_s_per_gb", peer, 0.25)
    yield against(f"throughput, kafka-consumer-perf-test, against {SPLICE}", "kafka-consumer-perf-test", "gb_per_s",
                  SPLICE, 1.0, at_least=True)


def _small():
    for connections in (64, 512):
        yield against(f"CPU per small request, {connections} connections, against {HAPROXY}", f"small x{connections}",
                      "cpu_us_per_request", HAPROXY, 0.75)
    for metric in ("p50_us", "p99_us"):
        yield against(f"{metric[:3]} added to a small request, against {HAPROXY}", "small x1", metric, HAPROXY, 1.0,
                      less=DIRECT)


def _relay_and_stalled():
    for workload in workloads.WORKLOADS:
        if workload.relay:
            yield against(f"throughput, {workload.name}, against direct", workload.name, "throughput", DIRECT, 0.95,
                          at_least=True)
    alone = workloads.frames("fetch", 15, 256, 4)
    stalled = workloads.beside_stalled(alone)
    yield Mark(f"throughput beside {workloads.STALLED} stalled readers, against none",
               Figure(stalled.name, OURS, "throughput"), 0.8, Figure(alone.name, OURS, "throughput"), at_least=True)


def _at_rest():
    yield Mark("user memory per idle connection", Figure("at rest", OURS, "idle_connection_bytes"), KIB, unit="bytes")
    yield Mark("start to first answer", Figure("at rest", OURS, "first_answer_ms"), 50, unit="ms")
    yield Mark("resident at rest", Figure("at rest", OURS, "rss_bytes"), 10, unit="MB", scale=1e6)


def _tls():
    at_a_pace = workloads.churn("full handshakes", workloads.LISTENER_TLS)
    for name in (at_a_pace.name, workloads.at_full_load(at_a_pace).name):
        yield against(f"CPU per connection, {name}, against {HAPROXY}", name, "cpu_us_per_connection", HAPROXY, 0.5)
    for tls in (workloads.LISTENER_TLS, workloads.BOTH_TLS):
        for plain in workloads.TLS_FRAMES:
            at_a_pace = workloads.in_tls(tls, plain)
            for name in (at_a_pace.name, workloads.at_full_load(at_a_pace).name):
                yield against(f"CPU per GB, {name}, against {HAPROXY}", name, "cpu_s_per_gb", HAPROXY, 0.60)


def marks(translating_peers=()):
    """All of them; judge() tells which a run has figures for."""
    return [*_per_gb(), *_rewritten(), *_perf_tools(translating_peers), *_small(), *_relay_and_stalled(), *_at_rest(),
            *_tls()]
