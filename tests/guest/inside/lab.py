"""The guest's laboratory: librdkafka's mock brokers, kferry before them, and the peers that speak to kferry: kcat and
openssl s_client. Everything is on loopback; whatever was started ends with the guest."""

import contextlib
import hashlib
import os
import re
import select
import socket
import ssl
import struct
import subprocess
import time

import frames

CERTIFICATES = "/certificates"
AUTHORITY = f"{CERTIFICATES}/ca.crt"
PATIENCE_S = 60
BACKEND = "auto"  # of every kferry that does not say its own
MIB = 1 << 20


class Wrong(Exception):
    """A check that failed; the text says what was found."""


def expect(true, text):
    if not true:
        raise Wrong(text)


def wait_for(what, found, patience_s=PATIENCE_S):
    """What `found` returns, once it is something."""
    end = time.monotonic() + patience_s
    while True:
        result = found()
        if result:
            return result
        expect(time.monotonic() < end, f"waited {patience_s} s for {what}")
        time.sleep(0.02)


def run(*words, input_bytes=None, patience_s=PATIENCE_S):
    done = subprocess.run(words, input=input_bytes, capture_output=True, timeout=patience_s, check=False)
    said = (done.stderr + done.stdout).decode(errors="replace").strip().splitlines()
    expect(done.returncode == 0, f"{words[0]} ended with status {done.returncode}: {' | '.join(said[-3:])}")
    return done.stdout


def kernel_tls():
    """The counters of /proc/net/tls_stat; empty where there is no kernel TLS."""
    with contextlib.suppress(OSError), open("/proc/net/tls_stat", encoding="utf-8") as shown:
        return {name: int(value) for name, value in (line.split() for line in shown)}
    return {}


class Counted:
    """What kernel TLS counted since this was made."""

    def __init__(self):
        self.before = kernel_tls()

    def __getitem__(self, name):
        return kernel_tls().get(name, 0) - self.before.get(name, 0)


class MockCluster:
    def __init__(self):
        self.process = subprocess.Popen(["mock_cluster", "orders"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.bootstrap = self.process.stdout.readline().decode().split()[1]


class Kferry:
    """`kferry run` with a configuration; when made it is ready, and its clusters are discovered."""

    def __init__(self, name, configuration, backend=None):
        self.log = f"/tmp/{name}.log"
        file = f"/tmp/{name}.toml"
        with open(file, "w", encoding="utf-8") as out:
            out.write(configuration + f'[engine]\nbackend = "{backend or BACKEND}"\n')
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(["kferry", "run", "--config", file], stdout=subprocess.DEVNULL, stderr=log)
        clusters = configuration.count(".upstream]")
        wait_for(f"{name} to be ready", lambda: self.running() and self.said().count("cause=discovered") == clusters)

    def running(self):
        expect(self.process.poll() is None, f"kferry ended with status {self.process.returncode}: {self.said()[-500:]}")
        return True

    def said(self, since=0):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            log.seek(since)
            return log.read()

    def mark(self):
        """The end of its log as it is now, for said()."""
        return os.stat(self.log).st_size

    def pipes(self):
        """How many pipes it holds: it has some once it has spliced."""
        folder = f"/proc/{self.process.pid}/fd"
        found = 0
        for number in os.listdir(folder):
            with contextlib.suppress(OSError):
                found += os.readlink(f"{folder}/{number}").startswith("pipe:")
        return found


class Kcat:
    """librdkafka, as a client at `port`."""

    def __init__(self, port, tls):
        self.words = ["kcat", "-q", "-b", f"localhost:{port}", "-X", "message.max.bytes=16000000",
                      "-X", "broker.address.family=v4", "-X", "linger.ms=0"]
        if tls:
            self.words += ["-X", "security.protocol=SSL", "-X", f"ssl.ca.location={AUTHORITY}"]

    def produce(self, topic, files):
        run(*self.words, "-P", "-t", topic, "-p", "0", *files)

    def consume(self, topic, count):
        return run(*self.words, "-C", "-t", topic, "-p", "0", "-o", "beginning", "-c", str(count), "-f", "%s")

    def round_trip(self, topic, files):
        """Every byte that went in comes out."""
        self.produce(topic, files)
        sent = hashlib.sha256()
        size = 0
        for path in files:
            with open(path, "rb") as file:
                data = file.read()
            sent.update(data)
            size += len(data)
        came = self.consume(topic, len(files))
        expect(len(came) == size, f"{size} bytes were produced, {len(came)} consumed")
        expect(hashlib.sha256(came).digest() == sent.digest(), f"{size} bytes were consumed, but not those produced")


def close_in_order(port):
    """Python's OpenSSL asks once, says close_notify and waits for the answer to that; what went wrong, or "". """
    settings = ssl.create_default_context(cafile=AUTHORITY)
    with socket.create_connection(("localhost", port), timeout=PATIENCE_S) as near, \
            settings.wrap_socket(near, server_hostname="localhost") as client:
        client.sendall(frames.api_versions(1))
        expect(client.recv(65536), "no answer")
        try:
            client.unwrap()
        except OSError as error:
            return str(error)
    return ""


def send_forged_record(port):
    """Python's OpenSSL asks twice, then a record goes out unencrypted; what it says to the answer."""
    settings = ssl.create_default_context(cafile=AUTHORITY)
    with socket.create_connection(("localhost", port), timeout=PATIENCE_S) as near, \
            settings.wrap_socket(near, server_hostname="localhost", suppress_ragged_eofs=False) as client:
        for correlation in (1, 2):
            client.sendall(frames.api_versions(correlation))
            expect(client.recv(65536), "no answer")
        os.write(client.fileno(), b"\x17\x03\x03" + struct.pack(">h", 48) + os.urandom(48))
        try:
            client.recv(1)
        except ssl.SSLError as error:
            return error.reason
    return "an end in order"


def random_files(name, sizes):
    """Records that no cipher or compression can make look alike."""
    paths = []
    for number, size in enumerate(sizes):
        paths.append(f"/tmp/{name}-{number}")
        with open(paths[-1], "wb") as out:
            out.write(os.urandom(size))
    return paths


# RFC 8446 §4.6, §6 in the words of `openssl s_client -msg`.
CLOSE_NOTIFY = re.compile(r"^<<< TLS 1\.[23], Alert .*close_notify", re.MULTILINE)
NO_RENEGOTIATION = re.compile(r"^<<< TLS 1\.2, Alert .*no_renegotiation", re.MULTILINE)
TICKET = re.compile(r"^<<< TLS 1\.3, Handshake .*NewSessionTicket", re.MULTILINE)


class OpensslClient:
    """openssl s_client on one connection, asked by Kafka frames; K and k are its own commands (KeyUpdate)."""
    number = 0

    def __init__(self, port, *words):
        OpensslClient.number += 1
        self.messages = f"/tmp/s_client-{OpensslClient.number}"
        self.process = subprocess.Popen(
            ["openssl", "s_client", "-connect", f"localhost:{port}", "-CAfile", AUTHORITY, "-verify_return_error",
             "-quiet", "-no_ign_eof", "-nbio", "-msg", "-msgfile", self.messages, *words],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=open(f"{self.messages}.errors", "wb"), bufsize=0)
        self.correlation = 0

    def update_key(self, letter):
        """K asks for the other side's too. What is typed in one go with it would be taken for a part of it."""
        self.command(letter, "KEYUPDATE")

    def renegotiate(self):
        """TLS 1.2. With the request that it sends next."""
        self.command("R", "RENEGOTIATING")
        self.write(frames.api_versions(0))

    def command(self, letter, told):
        def times():
            with open(f"{self.messages}.errors", encoding="utf-8", errors="replace") as errors:
                return errors.read().count(told)

        before = times()
        self.process.stdin.write(letter.encode() + b"\n")
        wait_for("s_client to take the command", lambda: times() > before)

    def ask(self):
        """ApiVersions v0, and its answer."""
        self.exchange(frames.api_versions)

    def exchange(self, request, *words):
        """The answer to frames' `request` of `words`, without its header."""
        self.correlation += 1
        self.write(request(self.correlation, *words))
        (size,) = struct.unpack(">i", self.read(4))
        answer = self.read(size)
        (correlation,) = struct.unpack(">i", answer[:4])
        expect(correlation == self.correlation, f"answer {correlation} to request {self.correlation}")
        return answer[4:]

    def round_trip(self, size):
        """Bytes to partition 0 of `orders`, which broker 1 leads, and back. None is one of s_client's commands."""
        data = bytes(byte | 0x80 for byte in os.urandom(size))
        offset = frames.produced(self.exchange(frames.produce, "orders", data))
        came = frames.fetched(self.exchange(frames.fetch, "orders", offset, size))
        expect(came == data, f"{size} bytes were produced, {len(came)} consumed, but not the same")

    def write(self, data):
        while data:
            data = data[self.process.stdin.write(data):]

    def read(self, size):
        data = b""
        end = time.monotonic() + PATIENCE_S
        while len(data) < size:
            ready, _, _ = select.select([self.process.stdout], [], [], max(0, end - time.monotonic()))
            expect(ready, "s_client got no answer in time")
            piece = os.read(self.process.stdout.fileno(), size - len(data))
            expect(piece, "the connection ended before the answer")
            data += piece
        return data

    def said(self):
        with open(self.messages, encoding="utf-8", errors="replace") as shown:
            return shown.read()

    def end(self):
        """Its end, of whatever kind; whether close_notify had come before it."""
        self.process.wait(PATIENCE_S)
        return bool(CLOSE_NOTIFY.search(self.said()))

    def close(self):
        """The end of its input: it sends close_notify and ends. (An answer to that it does not read.)"""
        self.process.stdin.close()
        self.process.wait(PATIENCE_S)

    def kill(self):
        self.process.kill()
        self.process.wait()
