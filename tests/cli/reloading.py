"""A kferry that is reconfigured while it runs, and what its clients do meanwhile."""
import pathlib
import random
import re
import signal
import socket
import struct
import subprocess
import threading
import time
import urllib.error
import urllib.request

from frames import free_port, receive, request
from running import KFERRY, Broker


def listener(name, first, count=3, *, cluster="orders", more=""):
    return (f'[cluster.{cluster}.listener.{name}]\nadvertised_host = "127.0.0.1"\nports = "{first}-{first + count - 1}"\n'
            + (more or 'security_protocol = "PLAINTEXT"\n'))


def upstream(broker_port, cluster="orders"):
    return f'[cluster.{cluster}.upstream]\nbootstrap_servers = ["127.0.0.1:{broker_port}"]\n'


def wait_until(holds, seconds=20):
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come to pass in time"
        time.sleep(0.02)


def can_connect(port):
    try:
        socket.create_connection(("127.0.0.1", port), 2).close()
        return True
    except OSError:
        return False


class Reloading:
    """`kferry run` with a file, a control socket and an HTTP endpoint of its own. write() before start()."""

    def __init__(self, folder, **popen):
        self.file, self.control = pathlib.Path(folder) / "kferry.toml", pathlib.Path(folder) / "control.sock"
        self.log, self.http, self.popen, self.process = pathlib.Path(folder) / "log", free_port(1), popen, None

    def write(self, *parts):
        operations = f'[operations]\nbind = "127.0.0.1:{self.http}"\ncontrol = "{self.control}"\n'
        self.file.write_text("\n".join([*parts, operations]))

    def start(self, env=None):
        """Returns once it serves the control socket."""
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([KFERRY, "run", "--config", str(self.file)], env={"PATH": "/usr/bin:/bin", **(env or {})},
                                            stdin=subprocess.DEVNULL, stdout=log, **{"stderr": log, **self.popen})
        wait_until(lambda: self.control.exists() or self.process.poll() is not None)
        assert self.process.poll() is None, self.text()
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(20)
            finally:
                self.process.kill()

    def reload(self, *words):
        return subprocess.run([KFERRY, "reload", "--control", str(self.control), *words], capture_output=True, text=True,
                              timeout=60, check=False)

    def reload_well(self):
        shown = self.reload()
        assert shown.returncode == 0, shown.stderr + self.text()
        return shown.stdout.splitlines()

    def hang_up(self):
        self.process.send_signal(signal.SIGHUP)

    def text(self):
        return self.log.read_text(errors="replace")

    def lines(self, cause):
        return [line for line in self.text().splitlines() if f"cause={cause} " in line]

    def get(self, path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http}{path}", timeout=10) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as refusal:
            return refusal.read().decode()

    def metric(self, name):
        return float(re.search(rf"^{re.escape(name)} (\S+)$", self.get("/metrics"), re.MULTILINE)[1])


class Echo(Broker):
    """Broker 0, which is alone in its cluster, and answers a Heartbeat with the bytes behind its header."""

    def __init__(self):
        super().__init__()
        self.brokers = [(0, "127.0.0.1", self.port)]

    def serve(self, connection):
        with connection:
            try:
                while True:
                    frame = receive(connection)
                    key, version, correlation, client = struct.unpack_from(">hhih", frame)
                    answer = struct.pack(">i", correlation) + (frame[10 + client:] if key == 12 else self.answer(key, version))
                    connection.sendall(struct.pack(">i", len(answer)) + answer)
            except (OSError, EOFError, KeyError):
                return


class Client:
    """A connection to broker 0, through kferry. exchange() sends random bytes there and back."""

    def __init__(self, port, wrap=None):
        self.socket = socket.create_connection(("127.0.0.1", port), 10)
        if wrap:
            self.socket = wrap(self.socket)
        self.random, self.sent = random.Random(port), 0

    def exchange(self):
        body = self.random.randbytes(self.random.randrange(1, 30_000))
        self.sent += 1
        self.socket.sendall(request(12, 0, body, self.sent))
        assert receive(self.socket) == struct.pack(">i", self.sent) + body

    def ended(self):
        """How the connection ends, if it does in time: b"" in order; None: it does not."""
        self.socket.settimeout(15)
        try:
            return self.socket.recv(1)
        except TimeoutError:
            return None

    def close(self):
        self.socket.close()


def connected(port, wrap=None):
    """A client whose first exchange has succeeded: until broker 0 is known, a stand-in may refuse it."""
    made = []

    def tries():
        client = Client(port, wrap)
        try:
            client.exchange()
            made.append(client)
        except (OSError, EOFError):
            client.close()
        return bool(made)

    wait_until(tries)
    return made[0]


class Traffic(threading.Thread):
    """Exchanges on a client's connection until stop(), which raises what has gone wrong."""

    def __init__(self, client):
        super().__init__(daemon=True)
        self.client, self.stopping, self.failure, self.count = client, False, None, 0
        self.start()

    def run(self):
        try:
            while not self.stopping:
                self.client.exchange()
                self.count += 1
        except Exception as failure:  # reported by stop()
            self.failure = failure

    def stop(self):
        self.stopping = True
        self.join(20)
        if self.failure:
            raise self.failure
        assert self.count > 0
