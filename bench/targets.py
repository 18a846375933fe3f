"""The ways from the client to the fake broker: direct, or through a proxy on a core of its own.

A further proxy is a further class with `name`, `version()` and `command()`.
"""

import os
import random
import socket
import ssl
import struct
import subprocess
import time

import processes
from processes import BenchError

ANSWER_TIMEOUT_S = 10
API_VERSIONS, METADATA = 18, 3


def free_port():
    """Below the ephemeral range, so that no outgoing connection takes it meanwhile."""
    while True:
        port = random.randrange(20000, 32000)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass


def exchange(connection, key, version, body=b""):
    """One request of a non-flexible version without client id; the response's octets after its length."""
    connection.sendall(struct.pack(">ihhih", 10 + len(body), key, version, 7, -1) + body)
    answer = b""
    while len(answer) < 4 or len(answer) < 4 + struct.unpack(">i", answer[:4])[0]:
        part = connection.recv(65536)
        if not part:
            raise BenchError(f"the connection was closed instead of an answer to API {key}")
        answer += part
    if struct.unpack(">i", answer[4:8])[0] != 7:
        raise BenchError(f"an answer to API {key} with another correlation id")
    return answer[4:]


def make_certificates(directory):
    """An authority, ca.crt, and a certificate for localhost with its key, side.pem; P-256."""
    if (directory / "side.pem").exists():
        return
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    for command in (
            ["req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=bench CA"],
            ["req", "-x509", *curve, "-keyout", "side.key", "-out", "side.crt", "-subj", "/CN=localhost",
             "-CA", "ca.crt", "-CAkey", "ca.key", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
             "-addext", "basicConstraints=CA:FALSE"]):
        done = subprocess.run(["openssl", *command], cwd=directory, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise BenchError("openssl makes no certificate: " + done.stderr.strip())
    (directory / "side.pem").write_text((directory / "side.key").read_text() + (directory / "side.crt").read_text())


class Target:
    """One way. After start() clients connect to `port`; `process` is None when nothing stands between."""

    name = ""
    listener_tls = False
    upstream_tls = False

    def __init__(self, directory):
        self.directory = directory
        self.port = 0
        self.process = None
        self.first_answer_s = None

    def version(self):
        return ""

    def command(self, broker_port):
        """Writes the configuration; returns (command, environment)."""
        raise NotImplementedError

    def start(self, broker_port, core):
        self.port = free_port()
        command, environment = self.command(broker_port)
        self.log = open(self.directory / f"{self.name}.log", "ab")
        began = time.monotonic()
        self.process = processes.start(command, core, env=environment, stdin=subprocess.DEVNULL,
                                       stdout=self.log, stderr=self.log)
        with self.first_connection(began) as connection:
            exchange(connection, API_VERSIONS, 0)
            self.first_answer_s = time.monotonic() - began
            # An address translator learns from this answer which broker stands behind its port.
            exchange(connection, METADATA, 1, struct.pack(">i", 0))

    def first_connection(self, began):
        while time.monotonic() - began < ANSWER_TIMEOUT_S:
            if self.process.poll() is not None:
                break
            connection = socket.socket()
            connection.settimeout(ANSWER_TIMEOUT_S)
            if connection.connect_ex(("127.0.0.1", self.port)) == 0:
                if not self.listener_tls:
                    return connection
                context = ssl.create_default_context(cafile=self.directory / "ca.crt")
                return context.wrap_socket(connection, server_hostname="localhost")
            connection.close()
            time.sleep(0.0005)
        log = (self.directory / f"{self.name}.log").read_text(errors="replace")[-2000:]
        raise BenchError(f"{self.name} accepts no connection; its log:\n{log}")

    def check_alive(self):
        if self.process is not None and self.process.poll() is not None:
            raise BenchError(f"{self.name} ended by itself with {self.process.returncode}")

    def stop(self):
        if self.process is not None:
            processes.stop(self.process)
            self.process = None
            self.log.close()


class Direct(Target):
    name = "direct"

    def start(self, broker_port, core):
        self.port = broker_port


class Kferry(Target):
    name = "kferry"

    def __init__(self, directory, binary, engine=()):
        super().__init__(directory)
        self.binary = binary
        self.engine = ("workers = 1", *engine)

    def version(self):
        return first_line([self.binary, "--version"])

    def command(self, broker_port):
        # A file of its own, so that one installed on this host has no say; the rest as the quick start has it.
        configuration = self.directory / "kferry.toml"
        configuration.write_text("\n".join(["[engine]", *self.engine, ""]))
        environment = {name: value for name, value in os.environ.items()
                       if not name.startswith(("KAFKA_", "GATEWAY_"))}
        environment |= {
            "KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{broker_port}",
            "GATEWAY_LISTENER_NAMES": "bench",
            "GATEWAY_LISTENER_BENCH_PORTS": str(self.port),
            "GATEWAY_LISTENER_BENCH_BIND_ADDRESS": "127.0.0.1",
            "GATEWAY_LISTENER_BENCH_ADVERTISED_HOST": "127.0.0.1",
            "GATEWAY_LISTENER_BENCH_SECURITY_PROTOCOL": "PLAINTEXT",
            "GATEWAY_HTTP_PORT": str(free_port()),
        }
        if self.listener_tls:
            environment |= {"GATEWAY_LISTENER_BENCH_SECURITY_PROTOCOL": "SSL",
                            "GATEWAY_SSL_KEY_STORE_PATH": str(self.directory / "side.pem")}
        if self.upstream_tls:
            environment |= {"KAFKA_BOOTSTRAP_SERVERS": f"localhost:{broker_port}",
                            "KAFKA_SECURITY_PROTOCOL": "SSL",
                            "KAFKA_SSL_TRUSTSTORE_LOCATION": str(self.directory / "ca.crt")}
        return [self.binary, "run", "--config", configuration], environment


class HaproxyTcp(Target):
    name = "haproxy"

    def __init__(self, directory, binary):
        super().__init__(directory)
        self.binary = binary

    def version(self):
        return first_line([self.binary, "-v"])

    def command(self, broker_port):
        listener = f" ssl crt {self.directory / 'side.pem'}" if self.listener_tls else ""
        upstream = ""
        if self.upstream_tls:
            upstream = f" ssl verify required ca-file {self.directory / 'ca.crt'} verifyhost localhost sni str(localhost)"
        configuration = self.directory / "haproxy.cfg"
        configuration.write_text(
            "global\n  nbthread 1\n  maxconn 4000\n  tune.bufsize 16384\n"
            "defaults\n  mode tcp\n  timeout connect 600s\n  timeout client 600s\n  timeout server 600s\n"
            f"listen kafka\n  bind 127.0.0.1:{self.port}{listener}\n"
            f"  server broker 127.0.0.1:{broker_port}{upstream}\n")
        return [self.binary, "-db", "-f", configuration], os.environ


def first_line(command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    return ((done.stdout or done.stderr).splitlines() or [""])[0].strip()
