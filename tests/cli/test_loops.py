"""Addresses that lead back to kferry: through a balancer, through another kferry, and as what kferry itself advertises. One
client must cost a few connections, and one line must name the misconfiguration.
"""
import shutil
import socket
import subprocess
import threading
import time

import pytest
from running import Broker, Kferry, free_port, listener_variables, receive, request

# proxy/loop_guard.h: as many connections to a place go without an answer before kferry asks where it leads. A question
# passes each place of the circle, and so do those for discovery and health.
FREE, QUESTIONS = 5, 4


class Relay:
    """Passes connections to a port, and counts them. Stops at 300: the proof is there."""

    def __init__(self, to):
        self.to, self.made, self.open = to, 0, 0
        self.listening = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = self.listening.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while self.made < 300:
            try:
                connection, _ = self.listening.accept()
            except OSError:
                return
            self.made += 1
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        self.open += 1
        try:
            with connection, socket.create_connection(("127.0.0.1", self.to), 5) as other:
                other.settimeout(None)
                back = threading.Thread(target=self.pump, args=(other, connection), daemon=True)
                back.start()
                self.pump(connection, other)
                back.join()
        except OSError:
            pass
        self.open -= 1

    @staticmethod
    def pump(source, target):
        try:
            while part := source.recv(65536):
                target.sendall(part)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            for one in (source, target):
                try:
                    one.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass


def variables(port, bootstrap, **more):
    return listener_variables(port, bootstrap) | {"GATEWAY_HTTP_PORT": str(free_port(1))} | more


def until(true, seconds=15):
    deadline = time.monotonic() + seconds
    while not (seen := true()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return seen


def ask(port, within=10):
    """One client's ApiVersions. False: its connection ended without an answer."""
    with socket.create_connection(("127.0.0.1", port), within) as client:
        client.sendall(request(18, 0))
        try:
            return receive(client) is not None
        except (EOFError, ConnectionResetError):
            return False


def test_two_kferrys_that_bootstrap_at_each_other_make_few_connections(tmp_path):
    first, second = free_port(), free_port()
    to_first, to_second = Relay(first), Relay(second)
    with Kferry(tmp_path, variables(first, f"127.0.0.1:{to_second.port}")) as one, \
            Kferry(tmp_path, variables(second, f"127.0.0.1:{to_first.port}")) as other:
        lines = lambda: one.lines("dial_loop") + other.lines("dial_loop")
        until(lines)
        assert not ask(first) and not ask(second)
        until(lambda: to_first.open + to_second.open == 0)
        assert to_first.made + to_second.made <= 2 * (FREE + 1 + QUESTIONS)
        named = [f"127.0.0.1:{relay.port} leads back to this kferry" for relay in (to_first, to_second)]
        assert all(any(name in line for name in named) for line in lines()) and len(lines()) <= 2


def test_two_kferrys_whose_brokers_name_the_other_one_make_few_connections(tmp_path):
    first, second = free_port(), free_port()
    to_first, to_second = Relay(first), Relay(second)
    with Broker([(0, "127.0.0.1", to_second.port)]) as broker, Broker([(0, "127.0.0.1", to_first.port)]) as twin, \
            Kferry(tmp_path, variables(first, f"127.0.0.1:{broker.port}")) as one, \
            Kferry(tmp_path, variables(second, f"127.0.0.1:{twin.port}")) as other:
        until(lambda: one.lines("discovered") and other.lines("discovered"))
        assert ask(first), "a stand-in answers once the loop is known"
        until(lambda: to_first.open + to_second.open == 0)
        assert to_first.made + to_second.made <= 2 * (FREE + 2)
        lines = one.lines("dial_loop") + other.lines("dial_loop")
        assert 1 <= len(lines) <= 2 and "advertised.listeners" in lines[0]
        before = to_first.made + to_second.made
        assert ask(first) and ask(second)
        assert to_first.made + to_second.made <= before + 4, "nothing new while the loop is known"


@pytest.mark.skipif(shutil.which("haproxy") is None, reason="haproxy is not installed")
def test_a_broker_behind_a_balancer_that_leads_to_kferry_costs_few_connections(tmp_path):
    port, balanced, stats = free_port(), free_port(1), tmp_path / "stats"
    (tmp_path / "haproxy.cfg").write_text(f"""
global
  stats socket {stats}
defaults
  mode tcp
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend balancer
  bind 127.0.0.1:{balanced}
  default_backend kferry
backend kferry
  server kferry 127.0.0.1:{port}
""")
    with subprocess.Popen(["haproxy", "-db", "-f", tmp_path / "haproxy.cfg"], stderr=subprocess.DEVNULL) as haproxy:
        def count(column):
            with socket.socket(socket.AF_UNIX) as asked:
                asked.connect(str(stats))
                asked.sendall(b"show stat\n")
                names, *rows = b"".join(iter(lambda: asked.recv(65536), b"")).decode().splitlines()
            row = next(row.split(",") for row in rows if row.startswith("balancer,FRONTEND,"))
            return int(row[names.split(",").index(column)])

        try:
            until(stats.exists)
            with Broker([(0, "127.0.0.1", balanced)]) as broker, \
                    Kferry(tmp_path, variables(port, f"127.0.0.1:{broker.port}")) as kferry:
                until(lambda: kferry.lines("discovered"))
                assert ask(port), "a stand-in answers once the loop is known"
                until(lambda: count("scur") == 0)
                assert count("stot") <= FREE + 2
                line, = kferry.lines("dial_loop")
                assert f"127.0.0.1:{balanced} leads back to this kferry" in line and "advertised.listeners" in line
        finally:
            haproxy.kill()


@pytest.mark.parametrize("named", ["localhost", "127.0.0.1"])
def test_an_advertised_address_is_never_dialled_by_name_nor_by_what_it_resolves_to(tmp_path, named):
    port = free_port()
    balancer = Relay(port)
    own = {"GATEWAY_LISTENER_EXTERNAL_PORTS": f"{balancer.port}:{port}", "GATEWAY_LISTENER_EXTERNAL_ADVERTISED_HOST": "localhost"}
    with Broker([(0, named, balancer.port)]) as broker:
        kferry = Kferry(tmp_path, variables(port, f"127.0.0.1:{broker.port}", **own))
        kferry.port = port
        with kferry:
            until(lambda: kferry.lines("discovered"))
            for _ in range(3):
                ask(port)
            assert balancer.made == 0
            line, = kferry.lines("own_address_learnt")
            assert f"{named}:{balancer.port}" in line and "advertised.listeners" in line


def test_a_broker_is_served_again_once_its_address_no_longer_leads_back(tmp_path):
    port = free_port()
    relay = Relay(port)
    with Broker([(0, "127.0.0.1", relay.port)]) as broker, \
            Kferry(tmp_path, variables(port, f"127.0.0.1:{broker.port}")) as kferry:
        until(lambda: kferry.lines("discovered"))
        assert ask(port)
        assert len(kferry.lines("dial_loop")) == 1
        relay.to = broker.port
        made = relay.made
        until(lambda: ask(port) and relay.made >= made + 2, 30)
        assert len(kferry.lines("dial_loop")) == 1
