"""Fixtures of the end-to-end tests. See README.md for how to run them."""

import shutil

import pytest

from lab import cleanup, kafka_jars
from lab.dials import DialWatch
from lab.driver import Driver
from lab.kafka import Cluster, prepare_archive
from lab.kferry import Kferry, Listener, binary
from lab.namespaces import Network
from lab.tools import Tools


def pytest_addoption(parser):
    parser.addoption(
        "--direct",
        action="store_true",
        help="put the clients among the brokers and leave kferry out: tells a fault of the laboratory from one of kferry",
    )


def pytest_configure(config):
    config.addinivalue_line("markers", "quick: shows a behaviour once; together at most six minutes on two cores")
    config.addinivalue_line("markers", "may_dial_elsewhere: dials past kferry are what this test is about")
    cleanup.end_on_signals()


@pytest.fixture(scope="session")
def directory():
    cleanup.remove_stale()
    return cleanup.scratch_directory()


@pytest.fixture(scope="session")
def network(directory):
    network = Network()
    yield network
    network.delete()


@pytest.fixture(scope="session")
def dial_watch(network):
    watch = DialWatch(network.clients)
    yield watch
    watch.close()


@pytest.fixture(scope="session")
def jars():
    kafka_jars.prepare()


@pytest.fixture(scope="session")
def cluster(network, directory, jars):
    """Three brokers with ids 1-3, shared by the tests: whoever stops or moves one puts it back."""
    prepare_archive(network, directory / "archive")
    cluster = Cluster(network, directory / "cluster")
    cluster.start()
    yield cluster
    cluster.kill()


@pytest.fixture(scope="session")
def outside(cluster, network, directory):
    """Kafka clients among the brokers, for what a test arranges or checks without kferry."""
    driver = Driver(network.brokers, directory / "outside-driver.log", cluster.bootstrap()).ready()
    yield driver
    driver.close()


@pytest.fixture
def scratch(directory, request):
    """A directory of this test's own; its log files are printed if the test fails."""
    path = directory / request.node.name.replace("/", "_")[:80]
    path.mkdir()
    yield path
    report = getattr(request.node, "report_call", None)
    if report is None or report.passed:
        shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def clients_side(request, network):
    """The namespace that the clients live in."""
    return network.brokers if request.config.getoption("--direct") else network.clients


@pytest.fixture
def tools(cluster, clients_side, scratch):
    return Tools(clients_side, scratch)


class Dials:
    """The dials that this test's clients made, and those they were allowed."""

    def __init__(self, watch):
        self._watch, self._before = watch, watch.counts()
        self.allowed = set()

    def made(self):
        return self._watch.counts() - self._before

    def elsewhere(self):
        return {f"{host}:{port}": n for (host, port), n in self.made().items() if (host, port) not in self.allowed}


@pytest.fixture
def dials(dial_watch, request):
    """In no test does a client dial an address that is not kferry's."""
    dials = Dials(dial_watch)
    yield dials
    if not request.node.get_closest_marker("may_dial_elsewhere"):
        assert not dials.elsewhere(), f"clients dialled past kferry: {dials.elsewhere()}"


class NoProxy:
    """Stands where a kferry would with --direct."""

    def __init__(self, upstream):
        self._upstream = upstream

    def bootstrap(self, index=0):
        return self._upstream.split(",")[index]


@pytest.fixture
def start_kferry(request, network, scratch, dials):
    """Starts kferries for one test; each must end well."""
    if request.config.getoption("--direct"):
        yield lambda upstream, **_: NoProxy(upstream)
        return
    binary()
    started = []

    def start(upstream, count=3, protocol="PLAINTEXT", more=None):
        kferry = Kferry(network, scratch, upstream, Listener(count=count, protocol=protocol), more)
        dials.allowed.update(kferry.listener.addresses())
        started.append(kferry)
        return kferry.start()

    yield start
    problems = []
    for kferry in started:
        try:
            if kferry.process:
                kferry.stop()
        except AssertionError as problem:
            problems.append(str(problem))
    assert not problems, "\n".join(problems)


@pytest.fixture
def kferry(start_kferry, cluster):
    """kferry in front of the shared cluster, plaintext, three ports."""
    return start_kferry(cluster.bootstrap())


@pytest.fixture
def driver(clients_side, scratch, kferry):
    """Java clients in the clients' namespace that bootstrap at kferry's first port."""
    driver = Driver(clients_side, scratch / "driver.log", kferry.bootstrap()).ready()
    yield driver
    driver.close()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if call.when == "call":
        item.report_call = report
    scratch = item.funcargs.get("scratch") if hasattr(item, "funcargs") else None
    if report.failed and scratch and scratch.is_dir():
        logs = sorted(scratch.rglob("*.log")) + sorted(scratch.parent.glob("cluster/broker*.log"))
        for path in logs:
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
            report.sections.append((f"{path.name}, last lines", "\n".join(lines[-40:])))
