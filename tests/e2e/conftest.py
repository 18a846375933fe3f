"""Fixtures of the end-to-end tests. See README.md for how to run them."""

import shutil

import pytest

from lab import cleanup, kafka_jars
from lab.certificates import Authority
from lab.dials import DialWatch
from lab.driver import Driver
from lab.kafka import PLAIN_PORT, Cluster, prepare_archive
from lab.kferry import Kferry, Listener, binary
from lab.namespaces import Network, broker_address
from lab.scripted_broker import ScriptedBroker
from lab.tools import Tools


def pytest_addoption(parser):
    parser.addoption(
        "--direct",
        action="store_true",
        help="put the clients among the brokers and leave kferry out: tells the laboratory's faults from kferry's",
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
def authority(directory):
    """Signs the brokers' certificates, and those of the tests' kferries and clients."""
    return Authority(directory / "authority")


@pytest.fixture(scope="session")
def cluster(network, directory, jars, authority):
    """Three brokers with ids 1-3, shared by the tests: a test that stops or moves one puts it back."""
    prepare_archive(network, directory / "archive")
    cluster = Cluster(network, directory / "cluster", authority=authority)
    cluster.start()
    yield cluster
    cluster.kill()


@pytest.fixture
def whole_cluster(cluster, outside):
    """The shared cluster, put back as it was."""
    yield cluster
    moved = [broker for broker in cluster.brokers.values() if (broker.host, broker.port) != (broker.home, PLAIN_PORT)]
    for broker in cluster.brokers.values():
        broker.resume()
    for broker in moved:  # one may hold another one's address
        broker.kill()
        broker.move_home()
    down = [broker for broker in cluster.brokers.values() if not broker.process.running()]
    for broker in down:
        broker.begin_start()
    for broker in down:  # none is ready without a majority
        broker.wait_ready(120)
    outside.do("nodes")


@pytest.fixture(scope="session")
def outside(cluster, network, directory):
    """Kafka clients among the brokers, for what a test arranges or checks without kferry."""
    driver = Driver(network.brokers, directory / "outside-driver.log", cluster.bootstrap()).ready()
    yield driver
    driver.close()


@pytest.fixture
def another_cluster(network, scratch, jars):
    """One broker with the id and the topics of a broker of the other cluster."""
    cluster = Cluster(network, scratch / "another", (1,), cluster_id="kferryAnotherCluster00", first_place=5)
    cluster.start()
    yield cluster
    cluster.kill()


@pytest.fixture(scope="module")
def module_scratch(directory, request):
    """A directory for what the tests of one module share."""
    path = directory / request.module.__name__
    path.mkdir()
    return path


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
    """The dials that clients made since this was made, and those they are allowed beside any kferry of this run."""

    def __init__(self, watch):
        self._watch, self._before = watch, watch.counts()
        self.allowed = set()

    def made(self):
        return self._watch.counts() - self._before

    def elsewhere(self):
        allowed = self.allowed | self._watch.kferrys
        return {f"{host}:{port}": n for (host, port), n in self.made().items() if (host, port) not in allowed}

    def assert_none_elsewhere(self):
        assert not self.elsewhere(), f"clients dialled past kferry: {self.elsewhere()}"


@pytest.fixture
def dials(dial_watch, request):
    """In no test does a client dial an address that is not kferry's."""
    dials = Dials(dial_watch)
    yield dials
    if not request.node.get_closest_marker("may_dial_elsewhere"):
        dials.assert_none_elsewhere()


@pytest.fixture
def needs_kferry(request):
    if request.config.getoption("--direct"):
        pytest.skip("about kferry alone")


@pytest.fixture(scope="module")
def broker(network):
    """One that does what a script says, the module's own."""
    broker = ScriptedBroker(network.brokers, broker_address(8), 9092)
    yield broker
    broker.close()


class NoProxy:
    """Stands where a kferry would with --direct."""

    def __init__(self, upstream):
        self._upstream = upstream

    def bootstrap(self, index=0):
        return self._upstream.split(",")[index]


@pytest.fixture
def start_kferry(request, network, scratch, dials, dial_watch):
    """Starts kferries for one test; each must end well."""
    if request.config.getoption("--direct"):
        yield lambda upstream, **_: NoProxy(upstream)
        return
    binary()
    started = []

    def start(upstream, count=3, protocol="PLAINTEXT", listener=None, upstreams=(), **more):
        listener = listener or Listener(count=count, protocol=protocol)
        kferry = Kferry(network, scratch, upstream, listener, upstreams=upstreams, **more)
        dial_watch.kferrys.update(kferry.addresses())
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
def start_driver(clients_side, scratch):
    """Starts drivers for one test."""
    started = []

    def start(bootstrap=None, namespace=clients_side, more=(), launcher=()):
        log_path = scratch / f"driver{len(started)}.log"
        started.append(Driver(namespace, log_path, bootstrap, more, launcher).ready())
        return started[-1]

    yield start
    for driver in started:
        driver.close()


@pytest.fixture
def driver(start_driver, kferry):
    """Java clients in the clients' namespace that bootstrap at kferry's first port."""
    return start_driver(kferry.bootstrap())


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if call.when == "call":
        item.report_call = report
    scratch = item.funcargs.get("scratch") if hasattr(item, "funcargs") else None
    if report.failed and scratch and scratch.is_dir():
        shared = (f"{item.module.__name__}/*.log", "cluster/broker*.log")
        logs = sorted(scratch.rglob("*.log")) + [path for each in shared for path in sorted(scratch.parent.glob(each))]
        for path in logs:
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
            report.sections.append((f"{path.name}, last lines", "\n".join(line[:300] for line in lines[-25:])))
