"""What is run: every workload by name, and the sets it belongs to.

A workload is measured once a round on every target; what `rounds.py` does for it depends on its kind.
"""

from dataclasses import dataclass, replace

KIB = 1024
# Full speed in TCP on one core would measure the load: of what goes directly, frames are asked for at this part.
PACE, PACE_TLS = 0.55, 0.35
# New connections a second. A handshake costs the client no less than the proxy, so that at full speed the load, on
# its one core, would be what is measured: these leave it half idle on a slow processor.
CONNECTIONS_PER_S = {"plaintext": 1500, "full handshakes": 250, "resumed": 500}
EACH_WAY_MS = 40
STALLED = 8
IDLE_CONNECTIONS = 2000

# Where TLS is spoken. TLS 1.3, P-256, AES-128-GCM on every side.
PLAIN, LISTENER_TLS, BOTH_TLS = "", "TLS to plaintext", "TLS to TLS"

QUICK, CORE, ALL = "quick", "core", "all"


@dataclass(frozen=True)
class Workload:
    name: str
    metric: str  # what its row shows
    drive: tuple = ()  # load's options
    tls: str = PLAIN
    sets: tuple = (ALL,)
    pace: float | None = None  # part of direct's throughput; None: as fast as it will go
    per_s: float | None = None  # a pace of its own instead, in requests or connections
    paced_as: str = ""  # the workload whose pace of this round it takes, to be compared with it
    relay: bool = False
    half_core: bool = False  # something else always wants the proxy's core, so that the load is never waited for
    seconds: float = 1  # times as long as others

    @property
    def per_request(self):
        return self.metric in ("cpu_us_per_request", "cpu_us_per_connection")

    @property
    def connects(self):
        return self.metric == "cpu_us_per_connection"

    @property
    def closed_loop(self):
        """As fast as answers come, and CPU is what is asked of it."""
        return self.per_request and not (self.pace or self.per_s or self.paced_as)


@dataclass(frozen=True)
class AtRest(Workload):
    """A process just started: how soon it serves, what it holds, what a connection costs that says nothing."""


@dataclass(frozen=True)
class PerfTool(Workload):
    """Kafka's own client and real brokers: perf_tools.py."""


def sets(*names):
    """Each set holds those before it: quick, core, all."""
    return {QUICK: (QUICK, CORE, ALL), CORE: (CORE, ALL), ALL: (ALL,)}[names[0] if names else ALL]


def size_name(size_kib):
    return f"{size_kib // KIB} MiB" if size_kib >= KIB else f"{size_kib} KiB"


def small(connections):
    return Workload(f"small x{connections}", "cpu_us_per_request",
                    ("--workload", "small", "--connections", connections),
                    sets=sets(QUICK if connections == 64 else CORE))


def frames(kind, version, size_kib, connections, level=ALL, partitions=1, depth=None):
    note = f" {partitions} partitions" if partitions > 1 else ""
    # Java's producer keeps five in flight on a connection, its consumer one.
    depth = depth or (5 if kind == "produce" else 1)
    return Workload(f"{kind} v{version} {size_name(size_kib)} x{connections}{note}", "cpu_s_per_gb",
                    ("--workload", kind, "--version", version, "--size", size_kib * KIB, "--connections",
                     connections, "--partitions", partitions, "--depth", depth),
                    sets=sets(level), pace=PACE)


def paced(workload):
    return replace(workload, name=f"{workload.name}, paced", pace=PACE, sets=sets(ALL))


def churn(name, tls, *options, level=ALL):
    # Twice as long: at such a pace there are only hundreds of them.
    return Workload(f"new connections, {name}", "cpu_us_per_connection",
                    ("--workload", "churn", "--connections", 16, *options), tls=tls, sets=sets(level),
                    per_s=CONNECTIONS_PER_S[name], seconds=2)


def at_full_load(workload):
    """What a CPU second is good for when there is always more to be done."""
    return replace(workload, name=f"{workload.name}, full load", per_s=None, pace=None, half_core=True)


def in_tls(tls, workload, level=ALL):
    return replace(workload, name=f"{tls}: {workload.name}", tls=tls, sets=sets(level),
                   pace=workload.pace and (PACE_TLS if tls == LISTENER_TLS else PACE))


def over_relay(workload):
    return replace(workload, name=f"80 ms relay: {workload.name}", metric="gb_per_s", relay=True, pace=None, seconds=3)


def beside_stalled(workload):
    return replace(workload, name=f"{STALLED} stalled readers: {workload.name}", paced_as=workload.name,
                   drive=(*workload.drive, "--stalled", STALLED))


def at_rest(tls, level=ALL):
    return AtRest(f"{tls}: at rest" if tls else "at rest", "idle_connection_bytes", tls=tls, sets=sets(level))


_SIZES, _CONNECTIONS = (16, 256, 1024), (1, 4, 16)


def _fetches():
    """15 passes unseen; in 17 the structure is walked and its tail looked at, over ten partitions or one."""
    quick = {(15, 256, 4), (17, 256, 4)}
    core = {(version, size, 4) for version in (15, 17) for size in (256, 1024)} | {(15, 16, 4)}
    for version, partitions in ((15, 1), (17, 10)):
        for size in _SIZES:
            for connections in _CONNECTIONS:
                key = (version, size, connections)
                yield frames("fetch", version, size, connections,
                             QUICK if key in quick else CORE if key in core else ALL, partitions)
    for size in _SIZES:
        yield frames("fetch", 17, size, 4, CORE if size == 256 else ALL)


def _produces():
    """The answer to 10 is decoded, to 9 opaque; both requests are."""
    for version in (9, 10):
        for size in _SIZES:
            for connections in _CONNECTIONS:
                level = ALL
                if version == 10 and connections == 4 and size > 16:
                    level = QUICK if size == 256 else CORE
                yield frames("produce", version, size, connections, level)


TLS_FRAMES = frames("fetch", 15, 256, 4), frames("produce", 10, 256, 4)
_STALLED_BASE = frames("fetch", 15, 256, 4)
WORKLOADS = [
    at_rest(PLAIN, QUICK),
    small(1), small(64), small(512), paced(small(64)), paced(small(512)),
    *_fetches(), *_produces(),
    beside_stalled(replace(_STALLED_BASE, sets=sets(QUICK))),
    over_relay(replace(frames("fetch", 15, 1024, 16), sets=sets(CORE))),
    over_relay(replace(frames("produce", 10, 256, 4), sets=sets(CORE))),
    churn("plaintext", PLAIN, level=CORE),
    at_rest(LISTENER_TLS),
    churn("full handshakes", LISTENER_TLS, level=QUICK),
    at_full_load(churn("full handshakes", LISTENER_TLS, level=CORE)),
    churn("resumed", LISTENER_TLS, "--resume", level=CORE),
    at_rest(BOTH_TLS),
    *(in_tls(tls, workload, CORE if workload.pace and tls == LISTENER_TLS else ALL)
      for tls in (LISTENER_TLS, BOTH_TLS)
      for workload in (small(64), *TLS_FRAMES)),
    *(at_full_load(in_tls(tls, workload, CORE if tls == LISTENER_TLS else ALL))
      for tls in (LISTENER_TLS, BOTH_TLS) for workload in TLS_FRAMES),
    PerfTool("kafka-producer-perf-test", "cpu_s_per_gb"),
    PerfTool("kafka-consumer-perf-test", "cpu_s_per_gb"),
]


def choose(level, parts=(), kafka=False):
    """Those of a set; or whose name holds one of `parts`; or those with real brokers."""
    if parts:
        return [one for one in WORKLOADS if any(part in one.name for part in parts)]
    return [one for one in WORKLOADS if (isinstance(one, PerfTool) if kafka else level in one.sets)]
