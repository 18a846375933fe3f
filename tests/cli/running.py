"""A running kferry and a scripted broker, for tests of the command line.

Kferry waits until it listens, or ends. Broker answers ApiVersions, Metadata before version 9, and SASL as it is told.

KFERRY_LOG_FORMAT=json in the environment of the tests makes kferry log JSON wherever a test does not say: then each line is
parsed, and the tests read it as the text line with the same fields.
"""
import json
import os
import pathlib
import re
import signal
import socket
import struct
import subprocess
import threading
import time

from frames import free_port, receive, request, text  # tests import them from here

KFERRY = os.environ["KFERRY"]


def listener_variables(port, bootstrap, protocol="PLAINTEXT"):
    return {"KAFKA_BOOTSTRAP_SERVERS": bootstrap, "KAFKA_SECURITY_PROTOCOL": protocol,
            "GATEWAY_LISTENER_NAMES": "external", "GATEWAY_LISTENER_EXTERNAL_PORTS": f"{port}-{port + 2}",
            "GATEWAY_LISTENER_EXTERNAL_ADVERTISED_HOST": "127.0.0.1",
            "GATEWAY_LISTENER_EXTERNAL_SECURITY_PROTOCOL": protocol}


def exchange_times(port, count):
    """How long so many exchanges on one connection took, in seconds, the shortest first."""
    times = []
    with socket.create_connection(("127.0.0.1", port), 10) as honest:
        for _ in range(count):
            began = time.monotonic()
            honest.sendall(request(18, 0))
            receive(honest)
            times.append(time.monotonic() - began)
    return sorted(times)


AS_TEXT = {"\n": "\\n", "\r": "\\r", "\t": "\\t", '"': '\\"', "\\": "\\\\"}


def as_text(line):
    """The text line with the fields of a JSON line. What is no log, such as an error of the configuration, is kept."""
    if not line.startswith("{"):
        return line
    fields = json.loads(line)
    subject = fields.get("subject", "")
    if not re.fullmatch(r"[\w.\-:/\[\]%@+,]*", subject, re.ASCII):
        subject = '"' + "".join(AS_TEXT.get(c, c) for c in subject) + '"'
    return (f"{fields['time']} level={fields['level']} cause={fields['cause']}" + (f" subject={subject}" if subject else "")
            + (f" session={fields['session']}" if "session" in fields else "")
            + ' "' + "".join(AS_TEXT.get(c, c) for c in fields["text"]) + '"')


class Kferry:
    """`kferry run`, or other words. With `stderr` its log goes there; otherwise text() reads it."""

    def __init__(self, folder, env, stderr=None, words=("run",), host="127.0.0.1", binary=KFERRY, **popen):
        self.host = host
        self.log = pathlib.Path(folder) / f"kferry-{time.monotonic_ns()}.log"
        self.as_json = os.environ.get("KFERRY_LOG_FORMAT") == "json" and not {
            "GATEWAY_LOG_FORMAT", "LOG4J2_APPENDER_LAYOUT"} & set(env)
        if self.as_json:
            env = {"GATEWAY_LOG_FORMAT": "json", **env}
        with open(self.log, "wb") as own:
            self.process = subprocess.Popen([str(binary), *words], env={"PATH": os.environ["PATH"], **env}, stdout=own,
                                            stdin=subprocess.DEVNULL, stderr=own if stderr is None else stderr, **popen)
        self.port = int(re.match(r"\d+", env["GATEWAY_LISTENER_EXTERNAL_PORTS"])[0])

    def __enter__(self):
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                socket.create_connection((self.host, self.port), 1).close()
                return self
            except OSError:
                assert self.process.poll() is None, f"kferry ended with {self.process.returncode}: {self.text()}"
                time.sleep(0.02)
        self.end(signal.SIGKILL)
        raise AssertionError(f"kferry does not listen: {self.text()}")

    def __exit__(self, *_):
        self.end()

    def end(self, by=signal.SIGINT):
        """The exit status. SIGINT drains without a lame duck."""
        if self.process.poll() is None:
            self.process.send_signal(by)
        try:
            return self.process.wait(20)
        finally:
            self.process.kill()

    def text(self):
        text = self.log.read_text(errors="replace")
        if not self.as_json:
            return text
        return "".join(as_text(line) + "\n" for line in text.split("\n")[:-1])

    def lines(self, cause):
        return [line for line in self.text().splitlines() if f"cause={cause} " in line]

    def count(self, cause):
        """How many events the lines of a cause speak for."""
        return sum(int((re.search(r"(\d+) more like this", line) or [0, 1])[1]) for line in self.lines(cause))


class Server:
    """Runs serve(connection), which a subclass has, on a thread for each connection, until the end of the with block."""

    def __init__(self, listening):
        self.listening = listening
        self.port = self.listening.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listening.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listening.shutdown(socket.SHUT_RDWR)
        self.listening.close()


class Broker(Server):
    """Listens on a port of its own. `brokers`: what Metadata lists, (id, host, port). `refusal`: error code and text of
    SaslAuthenticate. `cluster`: the id that Metadata names. `listening`: instead of a port of its own."""

    def __init__(self, brokers=(), refusal=(0, ""), cluster="C", host="127.0.0.1", listening=None):
        self.brokers, self.refusal, self.cluster = list(brokers), refusal, cluster
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__(listening or socket.create_server((host, 0), backlog=128, family=family))

    def serve(self, connection):
        with connection:
            try:
                while True:
                    key, version, correlation = struct.unpack_from(">hhi", receive(connection))
                    answer = struct.pack(">i", correlation) + self.answer(key, version)
                    connection.sendall(struct.pack(">i", len(answer)) + answer)
            except (OSError, EOFError, KeyError):
                return

    def answer(self, key, version):
        if key == 17:
            return struct.pack(">hi", 0, 1) + text("PLAIN")
        if key == 36:
            return struct.pack(">h", self.refusal[0]) + text(self.refusal[1]) + struct.pack(">i", 0)
        if key == 18:
            return struct.pack(">hi", 0, 2) + struct.pack(">hhh", 3, 0, 8) + struct.pack(">hhh", 18, 0, 2) + (
                b"\0\0\0\0" if version else b"")
        assert key == 3 and version < 9
        each = b"".join(struct.pack(">i", node) + text(host) + struct.pack(">i", port) + (b"\xff\xff" if version else b"")
                        for node, host, port in self.brokers)
        return ((b"\0" * 4 if version >= 3 else b"") + struct.pack(">i", len(self.brokers)) + each
                + (text(self.cluster) if version >= 2 else b"") + (struct.pack(">i", 0) if version else b"")
                + struct.pack(">i", 0) + (b"\x80\0\0\0" if version >= 8 else b""))
