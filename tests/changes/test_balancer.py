"""Three kferrys behind HAProxy are restarted one after the other, as an operator rolls a new version out. HAProxy asks each
for /health/ready every second and takes it out after two failures; the lame duck lasts longer than that.

Clients do what Kafka's do: where a connection ends in order between two answers, they connect and ask again. Everything else
is an error.
"""
import contextlib
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time

import pytest

from frames import receive, request
from reloading import Echo
from running import Kferry, free_port, listener_variables
from test_drain import wait_for
from test_health import get

LAME_DUCK_S = 4
HEARTBEAT = 12

pytestmark = pytest.mark.skipif(shutil.which("haproxy") is None, reason="haproxy is not installed")


class Balancer:
    """HAProxy before servers, each (port, port of its health)."""

    def __init__(self, folder, servers):
        self.port, self.stats = free_port(1), folder / "stats"
        backend = "".join(f"  server kferry{i} 127.0.0.1:{port} check port {health}\n" for i, (port, health) in enumerate(servers))
        (folder / "haproxy.cfg").write_text(f"""
global
  stats socket {self.stats}
defaults
  mode tcp
  timeout connect 5s
  timeout client 120s
  timeout server 120s
frontend balancer
  bind 127.0.0.1:{self.port}
  default_backend kferrys
backend kferrys
  balance roundrobin
  option httpchk GET /health/ready
  http-check expect status 200
  default-server inter 1s fall 2 rise 1
{backend}""")
        self.process = subprocess.Popen(["haproxy", "-db", "-f", folder / "haproxy.cfg"], stderr=subprocess.DEVNULL)
        wait_for(self.stats.exists, "the balancer starts")

    def up(self):
        """Which servers it sends clients to."""
        with socket.socket(socket.AF_UNIX) as asked:
            asked.connect(str(self.stats))
            asked.sendall(b"show stat\n")
            names, *rows = b"".join(iter(lambda: asked.recv(65536), b"")).decode().splitlines()
        column = names.split(",").index("status")
        return {row.split(",")[1] for row in rows if row.startswith("kferrys,kferry") and row.split(",")[column].startswith("UP")}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


class Client(threading.Thread):
    """Asks again and again, on one connection for as long as it lasts, or on a new one each time."""

    def __init__(self, port, pause, lasting):
        super().__init__(daemon=True)
        self.port, self.pause, self.lasting = port, pause, lasting
        self.answers, self.ends, self.error, self.stopping, self.connection = 0, 0, None, False, None
        self.start()

    def ask(self):
        """False: the connection has ended in order before the answer began."""
        if self.connection is None:
            self.connection = socket.create_connection(("127.0.0.1", self.port), 10)
        number = self.answers + self.ends
        try:
            self.connection.sendall(request(HEARTBEAT, 0, b"beat" * 100, number))
            if not self.connection.recv(1, socket.MSG_PEEK):
                return False
        except BrokenPipeError:  # it had ended in order before the request
            return False
        assert receive(self.connection) == struct.pack(">i", number) + b"beat" * 100
        return True

    def run(self):
        try:
            while not self.stopping:
                answered = self.ask()
                self.answers += answered
                self.ends += not answered
                if not answered or not self.lasting:
                    self.connection.close()
                    self.connection = None
                time.sleep(self.pause)
        except (OSError, EOFError, AssertionError) as error:
            self.error = error

    def stop(self):
        self.stopping = True
        self.join(20)


def test_a_rolling_restart_behind_a_balancer_costs_no_client_an_error(tmp_path):
    with contextlib.ExitStack() as stack:
        broker = stack.enter_context(Echo())
        file = tmp_path / "kferry.toml"
        file.write_text(f"[limits]\nlame_duck_s = {LAME_DUCK_S}\ndrain_deadline_s = 20\n")
        ports = [free_port(4) for _ in range(3)]

        def started(port):
            env = {**listener_variables(port, f"127.0.0.1:{broker.port}"), "GATEWAY_HTTP_PORT": str(port + 3)}
            kferry = Kferry(tmp_path, env, words=["run", "--config", str(file)]).__enter__()
            wait_for(lambda: get(port + 3, "/health/ready")[0] == 200 and kferry.lines("discovered"), kferry.text())
            return kferry

        kferrys = [started(port) for port in ports]
        stack.callback(lambda: [kferry.end() for kferry in kferrys])
        balancer = stack.enter_context(Balancer(tmp_path, [(port, port + 3) for port in ports]))
        wait_for(lambda: len(balancer.up()) == 3, "the balancer knows all three")
        clients = [Client(balancer.port, 0.02, lasting=True) for _ in range(6)]
        clients += [Client(balancer.port, 0.05, lasting=False) for _ in range(2)]
        for place, port in enumerate(ports):
            assert kferrys[place].end(signal.SIGTERM) == 0
            assert len(kferrys[place].lines("lame_duck")) == 1 and kferrys[place].lines("drained")
            wait_for(lambda place=place: f"kferry{place}" not in balancer.up(), "the balancer has taken it out")
            kferrys[place] = started(port)
            wait_for(lambda: len(balancer.up()) == 3, "the balancer knows all three")
        for client in clients:
            client.stop()
        assert not [client.error for client in clients if client.error]
        assert all(client.answers > 50 for client in clients)
        assert any(client.ends for client in clients), "the restarts ended connections in order"
