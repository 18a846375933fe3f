#!/usr/bin/env python3
"""A soak: kferry under a hostile mix for half an hour, or for as long as --seconds says.

    quiet ─▶ hostile mix, warm-up ─▶ hostile mix, measured ─▶ quiet ─▶ verdict

One kferry serves two clusters over three listeners: plaintext, TLS, and TLS with routing by SNI. One cluster is honest, and
an honest client asks it for ApiVersions all the time, over plaintext and over TLS. The other one has a hostile broker, and
strangers come to every port. Memory, descriptors and the honest client's p99 are judged at the end; the slope of memory is
that between the medians of the two halves of the measured time.

Needs nothing but Python and the openssl command. Exit status: 0 all bounds hold, 1 one does not, 2 it could not run.
"""
import argparse
import multiprocessing
import os
import pathlib
import random
import signal
import socket
import ssl
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "cli"))
from frames import free_port, receive, request, text

CLIENT_TLS = ssl.create_default_context()
CLIENT_TLS.check_hostname, CLIENT_TLS.verify_mode = False, ssl.CERT_NONE


class Broker:
    """Answers ApiVersions and Metadata 2. A hostile one lies about the brokers, answers late, in parts, or never."""

    def __init__(self, hostile=False):
        self.hostile, self.dice = hostile, random.Random(1)
        self.listening = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = self.listening.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            connection, _ = self.listening.accept()
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def brokers(self):
        if not self.hostile or self.dice.random() < 0.3:
            return [(0, "127.0.0.1", self.port)]
        count = self.dice.choice([1, 3, 50, 3000, 20_000])
        first = self.dice.randrange(1 << 30)
        return [(first + self.dice.choice([0, i]), f"h{i}.example" if i % 7 else "h" * 300, 9092) for i in range(count)]

    def answer(self, key):
        if key == 18:
            return struct.pack(">hi", 0, 2) + struct.pack(">hhh", 3, 0, 2) + struct.pack(">hhh", 18, 0, 0)
        brokers = self.brokers()
        each = b"".join(struct.pack(">i", i) + text(host) + struct.pack(">ih", port, -1) for i, host, port in brokers)
        return struct.pack(">i", len(brokers)) + each + text("C") + struct.pack(">ii", 0, 0)

    def serve(self, connection):
        with connection:
            try:
                while True:
                    key, _, correlation = struct.unpack_from(">hhi", receive(connection))
                    fate = self.dice.random() if self.hostile else 1
                    if fate < 0.05:
                        continue
                    body = struct.pack(">i", correlation) + self.answer(key)
                    frame = struct.pack(">i", len(body)) + body
                    if fate < 0.10:
                        connection.sendall(frame[:len(frame) // 2])
                        return
                    connection.sendall(frame)
            except (OSError, EOFError, struct.error, AssertionError):
                return


def connect(port, server_name=None):
    connection = socket.create_connection(("127.0.0.1", port), 10)
    if server_name:
        connection = CLIENT_TLS.wrap_socket(connection, server_hostname=server_name)
    return connection


class Honest:
    """The honest broker and its clients, in a process of their own, so that the hostile ones here do not slow them down."""

    def __init__(self):
        self.pipe, there = multiprocessing.Pipe()
        multiprocessing.Process(target=self.live, args=(there,), daemon=True).start()
        self.port = self.pipe.recv()

    def p99(self):
        """Since the last call. Without an answer 10 s."""
        self.pipe.send("p99")
        return self.pipe.recv()

    def ask_at(self, doors):
        self.pipe.send(doors)

    @staticmethod
    def live(pipe):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        pipe.send(Broker().port)
        taken, lock = [], threading.Lock()

        def ask(port, server_name):
            connection = None
            while True:
                begun = time.monotonic()
                try:
                    connection = connection or connect(port, server_name)
                    connection.sendall(request(18, 0))
                    receive(connection)
                    took = time.monotonic() - begun
                except (OSError, EOFError):
                    connection, took = None, 10.0  # a failure is as bad as a wait
                with lock:
                    taken.append(took)
                time.sleep(0.02)

        for port, server_name in pipe.recv():
            threading.Thread(target=ask, args=(port, server_name), daemon=True).start()
        while pipe.recv():
            with lock:
                now = sorted(taken)
                taken.clear()
            pipe.send(now[int(len(now) * 0.99)] if now else 10.0)


class Soak:
    def __init__(self, kferry, folder, seconds, warm_up):
        self.kferry, self.folder, self.seconds, self.warm_up = kferry, pathlib.Path(folder), seconds, warm_up
        self.hostile, self.over = threading.Event(), threading.Event()
        self.honest = Honest()  # forks, so before any thread
        self.evil = Broker(hostile=True)
        self.ports = free_port(16)

    def start(self):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
                        "30", "-keyout", "key.pem", "-out", "cert.pem", "-subj", "/CN=soak", "-addext",
                        "subjectAltName=DNS:*.honest.example,DNS:honest.example,DNS:*.evil.example,DNS:evil.example"],
                       cwd=self.folder, check=True, capture_output=True)
        (self.folder / "store.pem").write_text((self.folder / "cert.pem").read_text() + (self.folder / "key.pem").read_text())
        p = self.ports
        listeners = lambda name, at: f"""
[cluster.{name}.listener.{name}plain]
ports = "{at}-{at + 2}"
bind_address = "127.0.0.1"
advertised_host = "127.0.0.1"
security_protocol = "PLAINTEXT"
[cluster.{name}.listener.{name}tls]
ports = "{at + 3}-{at + 5}"
bind_address = "127.0.0.1"
advertised_host = "127.0.0.1"
security_protocol = "SSL"
tls = {{ certificate = "store.pem" }}
[cluster.{name}.listener.{name}sni]
ports = "{p + 12}"
bind_address = "127.0.0.1"
routing = "sni"
advertised_host_pattern = "b{{{{nodeId}}}}.{name}.example"
bootstrap_host_pattern = "{name}.example"
security_protocol = "SSL"
tls = {{ certificate = "store.pem" }}
"""
        config = (f'[cluster.honest.upstream]\nbootstrap_servers = ["127.0.0.1:{self.honest.port}"]\n{listeners("honest", p)}'
                  f'[cluster.evil.upstream]\nbootstrap_servers = ["127.0.0.1:{self.evil.port}"]\n{listeners("evil", p + 6)}')
        (self.folder / "soak.toml").write_text(config)
        self.log = open(self.folder / "kferry.log", "wb")
        self.process = subprocess.Popen([self.kferry, "run", "--config", "soak.toml"], cwd=self.folder, stdout=self.log,
                                        stderr=self.log, stdin=subprocess.DEVNULL, env={"PATH": os.environ["PATH"]})
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", p), 1).close()
                return
            except OSError:
                if self.process.poll() is not None:
                    break
                time.sleep(0.05)
        print((self.folder / "kferry.log").read_text(errors="replace"))
        sys.exit(2)

    # --- what is measured

    def memory_kb(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    # --- the hostile mix

    def any_port(self, dice):
        return self.ports + dice.randrange(13)

    def strange(self, dice):
        """Garbage, half a ClientHello, a byte, or nothing, and then an end."""
        with connect(self.any_port(dice)) as one:
            one.sendall(dice.choice([b"", b"\x16", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100),
                                     b"GET / HTTP/1.1\r\n\r\n", dice.randbytes(200), request(99, 0)]))
            if dice.random() < 0.3:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            time.sleep(dice.random())

    def stranger_by_name(self, dice):
        name = dice.choice([f"b{dice.randrange(1 << 31)}.evil.example", f"{dice.randrange(1 << 40)}.nowhere.example"])
        with connect(self.ports + 12, name) as one:
            one.sendall(request(18, 0))
            receive(one)

    def never_reads(self, dice):
        plain = dice.random() < 0.5
        with connect(self.ports + (6 if plain else 9), None if plain else "evil.example") as one:
            one.settimeout(0.5)
            for _ in range(dice.randrange(1, 300)):
                one.sendall(request(3, 2, struct.pack(">i", 0), client=dice.randbytes(4).hex().encode()))
            time.sleep(1 + dice.random())

    def asks_evil(self, dice):
        plain = dice.random() < 0.5
        with connect(self.ports + dice.choice([6, 7, 8] if plain else [9, 10, 11]), None if plain else "evil.example") as one:
            for _ in range(dice.randrange(1, 20)):
                one.sendall(request(3, 2, struct.pack(">i", 0), client=dice.randbytes(4).hex().encode()))
                receive(one)

    def be_hostile(self, seed):
        dice = random.Random(seed)
        deeds = [self.strange, self.stranger_by_name, self.never_reads, self.asks_evil]
        while not self.over.is_set():
            if not self.hostile.wait(0.2):
                continue
            try:
                dice.choice(deeds)(dice)
            except (OSError, EOFError, struct.error, ssl.SSLError):
                pass

    # --- the run

    def run(self):
        self.start()
        self.honest.ask_at([(self.ports, None), (self.ports + 3, "honest.example"), (self.ports + 12, "b0.honest.example")])
        for seed in range(8):
            threading.Thread(target=self.be_hostile, args=(seed,), daemon=True).start()
        quiet_s = min(30, max(5, self.seconds / 10))
        time.sleep(1)
        self.honest.p99()
        time.sleep(quiet_s)
        quiet, descriptors = self.honest.p99(), self.descriptors()
        self.hostile.set()
        time.sleep(self.warm_up)
        self.honest.p99()
        memory = []
        end = time.monotonic() + self.seconds
        while time.monotonic() < end:
            memory.append(self.memory_kb())
            time.sleep(0.5)
        hostile = self.honest.p99()
        self.hostile.clear()
        half = len(memory) // 2
        slope = (statistics.median(memory[half:]) - statistics.median(memory[:half])) / (self.seconds / 2 / 3600)
        for _ in range(120):  # clients end, half-closed connections are closed
            left = self.descriptors()
            if left <= descriptors:
                break
            time.sleep(1)
        self.over.set()
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(30)
        return self.judge(quiet, hostile, memory, slope, descriptors, left, status)

    def judge(self, quiet, hostile, memory, slope, descriptors, left, status):
        # A short run still warms up: 4 MB are nothing there, and a steep slope.
        slope_max = 100 + max(0, 4096 * (1 - self.seconds / 1800)) / (self.seconds / 2 / 3600)
        verdicts = [
            (status == 0, f"kferry ended with {status}"),
            (slope <= slope_max, f"memory {memory[0]} to {memory[-1]} kB, {slope:.0f} kB an hour; {slope_max:.0f} allowed"),
            (left <= descriptors, f"descriptors {descriptors} before, {left} after"),
            (hostile <= 2 * quiet + 0.002, f"honest p99 {quiet * 1000:.1f} ms quiet, {hostile * 1000:.1f} ms in the mix"),
        ]
        for good, line in verdicts:
            print(("holds: " if good else "fails: ") + line)
        failed = sum(not good for good, _ in verdicts)
        print(f"{len(verdicts) - failed} passed, {failed} failed")
        return int(failed > 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kferry")
    parser.add_argument("--seconds", type=float, default=1800, help="measured time (default: 1800)")
    parser.add_argument("--warm-up", type=float, default=None, help="before it (default: a tenth, at most 120)")
    options = parser.parse_args()
    warm_up = options.warm_up if options.warm_up is not None else min(120, options.seconds / 10)
    with tempfile.TemporaryDirectory(prefix="kferry-soak-") as folder:
        sys.exit(Soak(os.path.abspath(options.kferry), folder, options.seconds, warm_up).run())


if __name__ == "__main__":
    main()
