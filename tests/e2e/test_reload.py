"""The configuration changes while Kafka's clients run: no error reaches them, and nothing acknowledged is lost."""

import pytest

from lab.kafka import PLAIN_PORT
from lab.kferry import Listener
from lab.namespaces import MIDDLE_TO_CLIENTS
from test_failures import Flow

pytestmark = pytest.mark.usefixtures("needs_kferry")


class Reloadable:
    """A kferry whose file is rewritten by change(); `sections` are its parts by name."""

    def __init__(self, start_kferry, cluster, scratch):
        self._control = scratch / "control.sock"
        self._limits, self._sections = 60, {}
        self.kferry = start_kferry(cluster.bootstrap(), limits={"keepalive_idle_s": self._limits},
                                   more={"GATEWAY_CONTROL": str(self._control)})  # fmt: skip
        self._file = scratch / f"kferry-{self.kferry.listener.first}.toml"
        self._start = self._file.read_text()

    def change(self, **sections):
        """The sections that are given replace those before; None removes one. Returns what the reload has printed."""
        self._sections |= sections
        self._limits += 1
        start = self._start.replace("keepalive_idle_s = 60", f"keepalive_idle_s = {self._limits}")
        self._file.write_text(start + "".join(text for text in self._sections.values() if text))
        done = self.kferry.run("reload", "--control", self._control)
        assert done.code == 0, done
        return done.output


@pytest.fixture
def reloadable(start_kferry, cluster, scratch):
    return Reloadable(start_kferry, cluster, scratch)


@pytest.mark.quick
def test_a_reload_under_a_producer_and_a_consumer(reloadable, start_driver, outside, dial_watch):
    driver = start_driver(reloadable.kferry.bootstrap())
    flow = Flow(driver, outside, "reload")
    more = Listener("more")
    dial_watch.kferrys.update(more.addresses())
    assert "listener more of cluster default: added" in reloadable.change(more=more.table("default"))
    flow.goes_on()
    assert start_driver(more.bootstrap()).do("nodes")
    assert "listener more of cluster default: removed" in reloadable.change(more=None)
    flow.goes_on()
    flow.finish()


def test_twenty_reloads_under_producers_and_consumers(reloadable, start_driver, outside, dial_watch, authority, cluster):
    certificates = [authority.issue(f"reload-{number}", f"IP:{MIDDLE_TO_CLIENTS}").pem() for number in range(2)]
    more, secure = Listener("more"), Listener("secure", protocol="SSL")
    dial_watch.kferrys.update([*more.addresses(), *secure.addresses()])
    flow = Flow(start_driver(reloadable.kferry.bootstrap()), outside, "reloads")
    idempotent = start_driver(reloadable.kferry.bootstrap()).start(
        "producer", lab={"topic": "reloads"}, acks="all", enable_idempotence="true", linger_ms=0)  # fmt: skip
    for number in range(20):
        upstream = [f"{broker.home}:{PLAIN_PORT}" for broker in cluster.brokers.values()][number % 3]
        settings = secure.table("default") + f'tls = {{ certificate = "{certificates[number // 2 % 2]}" }}\n'
        reloadable.change(
            more=more.table("default") if number % 2 else None, secure=settings,
            other=f'[cluster.other.upstream]\nbootstrap_servers = ["{upstream}"]\n' + Listener("only").table("other"),
        )  # fmt: skip
        flow.goes_on()
    idempotent.stop(150)
    assert not idempotent.events("lost")
    flow.finish()
