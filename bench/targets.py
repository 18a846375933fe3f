"""The ways from the client to its brokers: direct, and through kferry. The peers are in peers.py.

A further proxy is a further class with `name`, `version()` and `commands()`, or --peer on the command line.
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
    """One request of a non-flexible version without client id; the response's bytes after its length."""
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


class Target:
    """One way. After start() clients connect to `ports`, one for each broker; `processes` is empty when nothing
    lies between client and broker."""

    name = ""
    listener_tls = False
    upstream_tls = False
    # Clients are told its ports by itself. Else real brokers must advertise them.
    rewrites_addresses = False
    speaks_tls = True
    only_frames = False  # what it differs in shows in large frames alone

    def __init__(self, directory):
        self.directory = directory
        self.ports = []
        self.processes = []
        self.first_accept_s = None
        self.first_answer_s = None

    @property
    def port(self):
        return self.ports[0]

    def version(self):
        return ""

    def choose_ports(self, count=1):
        self.ports = []
        while len(self.ports) < count:
            port = free_port()
            if port not in self.ports:
                self.ports.append(port)

    def commands(self, broker_ports):
        """Writes the configuration; returns [(command, environment)], one for each process."""
        raise NotImplementedError

    def start(self, broker_ports, core):
        self.log = open(self.directory / f"{self.name}.log", "ab")
        began = time.monotonic()
        for command, environment in self.commands(broker_ports):
            self.processes.append(processes.start(command, core, env=environment, stdin=subprocess.DEVNULL,
                                                  stdout=self.log, stderr=self.log))
        with self.first_connection(began) as connection:
            try:
                exchange(connection, API_VERSIONS, 0)
                self.first_answer_s = time.monotonic() - began
                # An address translator learns from this answer which broker its port leads to.
                exchange(connection, METADATA, 1, struct.pack(">i", 0))
            except OSError as error:
                what = f"{self.name} accepts a connection, then: {error}; its log:\n{self.log_end()}"
                raise BenchError(what) from None

    def start_afresh(self, broker_ports, core):
        """On another port: the kernel lets go of a killed ring's listening socket a moment later."""
        self.stop()
        self.choose_ports()
        self.start(broker_ports, core)

    def first_connection(self, began):
        while time.monotonic() - began < ANSWER_TIMEOUT_S and self.ended() is None:
            connection = socket.socket()
            connection.settimeout(ANSWER_TIMEOUT_S)
            if connection.connect_ex(("127.0.0.1", self.port)) == 0:
                self.first_accept_s = time.monotonic() - began
                if not self.listener_tls:
                    return connection
                context = ssl.create_default_context(cafile=self.directory / "ca.crt")
                return context.wrap_socket(connection, server_hostname="localhost")
            connection.close()
            time.sleep(0.0005)
        raise BenchError(f"{self.name} accepts no connection; its log:\n{self.log_end()}")

    def log_end(self):
        return (self.directory / f"{self.name}.log").read_text(errors="replace")[-2000:]

    def pids(self):
        return [process.pid for process in self.processes]

    def ended(self):
        """The exit code of a process that has ended by itself."""
        return next((process.poll() for process in self.processes if process.poll() is not None), None)

    def check_alive(self):
        if self.ended() is not None:
            raise BenchError(f"{self.name} ended by itself with {self.ended()}")

    def stop(self):
        for process in self.processes:
            processes.stop(process)
        if self.processes:
            self.log.close()
        self.processes = []


class Direct(Target):
    name = "direct"
    rewrites_addresses = True  # only the brokers' own

    def choose_ports(self, count=1):
        pass

    def start(self, broker_ports, core):
        self.ports = list(broker_ports)


class Kferry(Target):
    """One worker and the quick start's variables; `engine` are lines of the [engine] section."""

    rewrites_addresses = True

    def __init__(self, directory, binary, backend="io_uring", engine=(), launcher=(), congestion_control=""):
        super().__init__(directory)
        self.name = "kferry" if backend == "io_uring" else f"kferry-{backend}"
        self.binary = binary
        self.engine = ("workers = 1", f'backend = "{backend}"', *engine)
        if congestion_control:
            self.name += f"-{congestion_control}"
            self.engine += (f'congestion_control = "{congestion_control}"',)
            self.only_frames, self.speaks_tls = True, False
        self.launcher = launcher

    def version(self):
        lines = output_of([self.binary, "--version"]).splitlines()
        return " with ".join(lines[:2])  # the libraries

    def commands(self, broker_ports):
        # A file of its own, so that one installed on this host has no say; the rest as the quick start has it.
        configuration = self.directory / f"{self.name}.toml"
        configuration.write_text("\n".join(["[engine]", *self.engine, ""]))
        environment = {name: value for name, value in os.environ.items()
                       if not name.startswith(("KAFKA_", "GATEWAY_"))}
        environment |= {
            "KAFKA_BOOTSTRAP_SERVERS": addresses(broker_ports),
            "GATEWAY_LISTENER_NAMES": "bench",
            "GATEWAY_LISTENER_BENCH_PORTS": ",".join(map(str, self.ports)),
            "GATEWAY_LISTENER_BENCH_BIND_ADDRESS": "127.0.0.1",
            "GATEWAY_LISTENER_BENCH_ADVERTISED_HOST": "127.0.0.1",
            "GATEWAY_LISTENER_BENCH_SECURITY_PROTOCOL": "PLAINTEXT",
            "GATEWAY_MIN_BROKERID": "1",
            "GATEWAY_HTTP_PORT": str(free_port()),
        }
        if self.listener_tls:
            environment |= {"GATEWAY_LISTENER_BENCH_SECURITY_PROTOCOL": "SSL",
                            "GATEWAY_SSL_KEY_STORE_PATH": str(self.directory / "side.pem")}
        if self.upstream_tls:
            environment |= {"KAFKA_BOOTSTRAP_SERVERS": addresses(broker_ports, "localhost"),
                            "KAFKA_SECURITY_PROTOCOL": "SSL",
                            "KAFKA_SSL_TRUSTSTORE_LOCATION": str(self.directory / "ca.crt")}
        return [([*self.launcher, self.binary, "run", "--config", configuration], environment)]


def addresses(ports, host="127.0.0.1"):
    return ",".join(f"{host}:{port}" for port in ports)


def output_of(command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    return done.stdout or done.stderr
