#!/usr/bin/env python3
"""A soak: kferry under a hostile mix for half an hour, or for as long as --seconds says.

    quiet ─▶ hostile mix, warm-up ─▶ hostile mix, measured ─▶ quiet ─▶ verdict
                                     └ of three slices of time, two at kferry and one at its double

One kferry serves two clusters over three listeners: plaintext, TLS, and TLS with routing by SNI. One cluster is honest, and
an honest client asks it for ApiVersions all the time, over plaintext and over TLS. The other one has a hostile broker, and
strangers come to every port. Memory, descriptors, processor time and the honest client's p99 are judged at the end; the slope
of memory is that between the medians of the two halves of the measured time.

The mix takes processor time from the honest client too, whatever kferry does: clients, brokers and kferry share the host. So
its p99 in each slice is compared with that in slices in which the same mix goes to the double, another process with the same
configuration, while the honest client stays where it is: what differs is that kferry itself is attacked. The medians over the
slices count, so that what else the host does in one of them does not decide. What kferry spends on the mix slows down both
alike, so it has a limit of its own.

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

# What the mix may cost kferry, as a part of one core: several times what it does. A stall of a worker takes all of one.
BUSY_MAX = 0.3
# On a quiet host twice nothing is nothing: about what an answer with 3,000 brokers takes a worker, which serves others, too.
ONE_ANSWER_S = 0.002
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

    def taken(self):
        """How long each answer took since the last call, in seconds. A failure counts as 10 s."""
        self.pipe.send("taken")
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
                now = taken.copy()
                taken.clear()
            pipe.send(now)


def p99(taken):
    return sorted(taken)[int(len(taken) * 0.99)] if taken else 10.0


class Kferry:
    """`kferry run` in a folder of its own, with thirteen ports from `ports` on."""

    def __init__(self, program, folder, ports, config):
        self.folder, self.ports = folder, ports
        (folder / "soak.toml").write_text(config)
        with open(folder / "kferry.log", "wb") as log:
            self.process = subprocess.Popen([program, "run", "--config", "soak.toml"], cwd=folder, stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL, env={"PATH": os.environ["PATH"]})
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", ports), 1).close()
                return
            except OSError:
                if self.process.poll() is not None:
                    break
                time.sleep(0.05)
        print((folder / "kferry.log").read_text(errors="replace"))
        sys.exit(2)

    def memory_kb(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def processor_s(self):
        after_name = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return sum(int(ticks) for ticks in after_name[11:13]) / os.sysconf("SC_CLK_TCK")

    def end(self):
        """The exit status, or what it is where it does not end."""
        self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return "no end in 30 s"


class Soak:
    def __init__(self, program, folder, seconds, warm_up):
        self.program, self.folder, self.seconds, self.warm_up = program, pathlib.Path(folder), seconds, warm_up
        self.hostile, self.over = threading.Event(), threading.Event()
        self.honest = Honest()  # forks, so before any thread
        self.evil = Broker(hostile=True)
        self.kferry, self.double = (self.start(name) for name in ("kferry", "double"))
        self.attacked = self.kferry

    def start(self, name):
        folder, p = self.folder / name, free_port(16)
        folder.mkdir()
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
                        "30", "-keyout", "key.pem", "-out", "cert.pem", "-subj", "/CN=soak", "-addext",
                        "subjectAltName=DNS:*.honest.example,DNS:honest.example,DNS:*.evil.example,DNS:evil.example"],
                       cwd=folder, check=True, capture_output=True)
        (folder / "store.pem").write_text((folder / "cert.pem").read_text() + (folder / "key.pem").read_text())
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
        return Kferry(self.program, folder, p,
                      f'[operations]\nbind = "127.0.0.1:{p + 13}"\n'
                      f'[cluster.honest.upstream]\nbootstrap_servers = ["127.0.0.1:{self.honest.port}"]\n{listeners("honest", p)}'
                      f'[cluster.evil.upstream]\nbootstrap_servers = ["127.0.0.1:{self.evil.port}"]\n{listeners("evil", p + 6)}')

    # --- the hostile mix

    def any_port(self, dice):
        return self.attacked.ports + dice.randrange(13)

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
        with connect(self.attacked.ports + 12, name) as one:
            one.sendall(request(18, 0))
            receive(one)

    def never_reads(self, dice):
        plain = dice.random() < 0.5
        with connect(self.attacked.ports + (6 if plain else 9), None if plain else "evil.example") as one:
            one.settimeout(0.5)
            for _ in range(dice.randrange(1, 300)):
                one.sendall(request(3, 2, struct.pack(">i", 0), client=dice.randbytes(4).hex().encode()))
            time.sleep(1 + dice.random())

    def asks_evil(self, dice):
        plain = dice.random() < 0.5
        with connect(self.attacked.ports + dice.choice([6, 7, 8] if plain else [9, 10, 11]),
                     None if plain else "evil.example") as one:
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
        kferry, p = self.kferry, self.kferry.ports
        self.honest.ask_at([(p, None), (p + 3, "honest.example"), (p + 12, "b0.honest.example")])
        for seed in range(8):
            threading.Thread(target=self.be_hostile, args=(seed,), daemon=True).start()
        time.sleep(1)
        self.honest.taken()
        time.sleep(min(30, max(5, self.seconds / 10)))
        quiet, descriptors = self.honest.taken(), kferry.descriptors()
        self.hostile.set()
        time.sleep(self.warm_up)
        memory, beside, under, spent, busy_s = [], [], [], 0, 0
        end, slices = time.monotonic() + self.seconds, 0
        while time.monotonic() < end:
            self.attacked = self.double if slices % 3 == 2 else kferry
            slices += 1
            time.sleep(2.5)  # until the former slice's deeds are done
            self.honest.taken()
            before, begun = kferry.processor_s(), time.monotonic()
            while time.monotonic() < min(end, begun + self.slice_s()):
                memory.append(kferry.memory_kb())
                time.sleep(0.5)
            if self.attacked is self.double:
                beside.append(p99(self.honest.taken()))
                continue
            under.append(p99(self.honest.taken()))
            spent, busy_s = spent + kferry.processor_s() - before, busy_s + time.monotonic() - begun
        self.hostile.clear()
        median = statistics.median
        half = len(memory) // 2
        slope = (median(memory[half:]) - median(memory[:half])) / (self.seconds / 2 / 3600)
        for _ in range(120):  # clients end, half-closed connections are closed
            left = kferry.descriptors()
            if left <= descriptors:
                break
            time.sleep(1)
        self.over.set()
        statuses = [one.end() for one in (kferry, self.double)]
        # A short run still warms up: 4 MB are nothing there, and a steep slope.
        slope_max = 100 + max(0, 4096 * (1 - self.seconds / 1800)) / (self.seconds / 2 / 3600)
        return judge([
            (statuses == [0, 0], f"kferry and its double ended with {statuses}"),
            (slope <= slope_max, f"memory {memory[0]} to {memory[-1]} kB, {slope:.0f} kB an hour; {slope_max:.0f} allowed"),
            (left <= descriptors, f"descriptors {descriptors} before, {left} after"),
            (spent <= busy_s * BUSY_MAX, f"kferry took {spent / busy_s * 100:.0f} % of a core; {BUSY_MAX * 100:.0f} % allowed"),
            (median(under) <= 2 * median(beside) + ONE_ANSWER_S,
             f"honest p99, median of slices: {median(under) * 1000:.1f} ms in {len(under)} under the mix, "
             f"{median(beside) * 1000:.1f} ms in {len(beside)} beside it; {p99(quiet) * 1000:.1f} ms without it"),
        ])

    def slice_s(self):
        return min(15, max(4, self.seconds / 60))


def judge(verdicts):
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
