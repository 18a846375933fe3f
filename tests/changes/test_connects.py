"""2,000 new connections a second, each of which asks once, while kferry is upgraded again and again: each is accepted and
answered.

KFERRY is the binary, KFERRY_LOAD the load generator (bench/load), which is the broker, too.
"""
import json
import os
import subprocess
import time

import pytest

from running import free_port, listener_variables
from test_drain import known, wait_for
from test_upgrade import Upgraded

LOAD = os.environ.get("KFERRY_LOAD")
PER_SECOND, SECONDS, UPGRADES = 2000, 20, 5

pytestmark = pytest.mark.skipif(not LOAD, reason="KFERRY_LOAD does not name the load generator")


@pytest.fixture(name="broker_port")
def fixture_broker_port():
    port = free_port(1)
    with subprocess.Popen([LOAD, "--serve", f"127.0.0.1:{port}"], stdout=subprocess.PIPE, text=True) as broker:
        assert broker.stdout.readline()
        yield port
        broker.kill()


def test_no_connection_is_refused_or_reset_before_its_first_answer(tmp_path, broker_port):
    port = free_port(4)
    env = {**listener_variables(port, f"127.0.0.1:{broker_port}"), "GATEWAY_HTTP_PORT": str(port + 3)}
    words = ["--workload", "churn", "--connections", "500", "--requests-per-second", str(PER_SECOND), "--warm-up", "1",
             "--seconds", str(SECONDS)]
    with Upgraded(tmp_path, env, "lame_duck_s = 0\ndrain_deadline_s = 10") as kferry:
        known(kferry)
        with subprocess.Popen([LOAD, "--drive", f"127.0.0.1:{port}", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True) as load:
            assert load.stdout.readline() == "ready\n", load.stderr.read()
            ends = time.monotonic() + SECONDS
            for upgrade in range(UPGRADES):
                wait_for(lambda upgrade=upgrade: time.monotonic() > ends - SECONDS * (1 - (upgrade + 0.5) / UPGRADES), "time passes")
                kferry.upgrade()
            assert time.monotonic() < ends, "the upgrades outlast the load: this host is too slow"
            shown, said = load.communicate(timeout=60)
        assert load.returncode == 0, said
        figures = json.loads(shown)
        assert figures["requests"] >= 0.5 * PER_SECOND * SECONDS, figures  # a busy host answers fewer
        assert len(set(kferry.pids)) == UPGRADES + 1
        wait_for(lambda: kferry.alive() == kferry.pids[-1:], "former processes end")
        assert not kferry.lines("drain_cut_short"), kferry.text()
