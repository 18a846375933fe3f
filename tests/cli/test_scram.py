"""kferry's own discovery with SCRAM, against a broker that is scripted here: how many iterations it may demand."""
import base64
import hashlib
import hmac
import struct
import time

import pytest

from running import Broker, Kferry, free_port, listener_variables, receive, text

PASSWORD = "secret"
SALT = b"salt of sixteen."


def keyed(key, message):
    return hmac.new(key, message.encode(), hashlib.sha256).digest()


class ScramBroker(Broker):
    """Knows the password, and demands `iterations`."""

    def __init__(self, iterations):
        self.iterations = iterations
        super().__init__()
        self.brokers = [(0, "127.0.0.1", self.port)]

    def serve(self, connection):
        first = server_first = ""
        with connection:
            try:
                while True:
                    frame = receive(connection)
                    key, version, correlation, size = struct.unpack_from(">hhih", frame)
                    if key == 17:
                        body = struct.pack(">hi", 0, 1) + text("SCRAM-SHA-256")
                    elif key == 36:
                        token = frame[10 + size + 4:].decode()
                        if not first:
                            first = token.removeprefix("n,,")
                            nonce = first.split(",r=")[1]
                            server_first = f"r={nonce}more,s={base64.b64encode(SALT).decode()},i={self.iterations}"
                            answer = server_first
                        else:
                            answer = self.final(first, server_first, token)
                        body = struct.pack(">hhi", 0 if answer else 58, -1, len(answer)) + answer.encode()
                    else:
                        body = self.answer(key, version)
                    frame = struct.pack(">i", correlation) + body
                    connection.sendall(struct.pack(">i", len(frame)) + frame)
            except (OSError, EOFError, KeyError):
                return

    def final(self, first, server_first, token):
        without_proof, proof = token.rsplit(",p=", 1)
        salted = hashlib.pbkdf2_hmac("sha256", PASSWORD.encode(), SALT, self.iterations)
        signed = f"{first},{server_first},{without_proof}"
        client_key = keyed(salted, "Client Key")
        signature = keyed(hashlib.sha256(client_key).digest(), signed)
        if bytes(a ^ b for a, b in zip(client_key, signature)) != base64.b64decode(proof):
            return ""
        return "v=" + base64.b64encode(keyed(keyed(salted, "Server Key"), signed)).decode()


def variables(broker):
    return {**listener_variables(free_port(), f"127.0.0.1:{broker.port}", "SASL_PLAINTEXT"),
            "KAFKA_SASL_MECHANISM": "SCRAM-SHA-256",
            "KAFKA_SASL_JAAS_CONFIG": "org.apache.kafka.common.security.scram.ScramLoginModule required "
                                      f'username="u" password="{PASSWORD}";'}


def wait_for(kferry, cause):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if lines := kferry.lines(cause):
            return lines[0]
        time.sleep(0.05)
    raise AssertionError(f"no {cause}: {kferry.text()}")


@pytest.mark.parametrize("iterations", [4096, 100_000])
def test_a_broker_may_demand_iterations(tmp_path, iterations):
    with ScramBroker(iterations) as broker, Kferry(tmp_path, variables(broker)) as kferry:
        wait_for(kferry, "discovered")
        assert not kferry.lines("discovery_failed")


@pytest.mark.parametrize("iterations", [4095, 100_001, 1_000_000])
def test_a_broker_that_demands_too_few_or_too_many_iterations_is_refused(tmp_path, iterations):
    with ScramBroker(iterations) as broker, Kferry(tmp_path, variables(broker)) as kferry:
        line = wait_for(kferry, "discovery_failed")
        assert f"asks for {iterations} SCRAM iterations; 4096 to 100000 are accepted" in line


def test_kferry_stops_while_a_key_is_derived(tmp_path):
    with ScramBroker(100_000) as broker, Kferry(tmp_path, variables(broker)) as kferry:
        assert kferry.end() == 0
