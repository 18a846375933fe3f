"""`kferry check --dial` against scripted brokers on loopback: every bootstrap server asked, every broker dialled, and each
finding told with its remedy. The list that fits, and TLS, also have tests in tests/e2e and test_tls.py.

Needs the built binary's path in KFERRY, as test_cli.py does.
"""
import contextlib
import os
import pty
import re
import socket
import subprocess
import threading

import pytest

from running import KFERRY, Broker, free_port

LISTENER = {
    "GATEWAY_LISTENER_NAMES": "external",
    "GATEWAY_LISTENER_EXTERNAL_PORTS": "6969-6971",
    "GATEWAY_LISTENER_EXTERNAL_ADVERTISED_HOST": "192.0.2.9",
    "GATEWAY_LISTENER_EXTERNAL_SECURITY_PROTOCOL": "PLAINTEXT",
}
SASL = {
    "KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
    "GATEWAY_LISTENER_EXTERNAL_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
}


def at(broker):
    return f"127.0.0.1:{broker.port}"


def check(*servers, words=(), env=None, **popen):
    """Exit status and what stdout says of the dial."""
    where = ",".join(at(one) if isinstance(one, Broker) else one for one in servers)
    shown = subprocess.run([KFERRY, "check", "--dial", *words], capture_output=True, text=True, timeout=60, check=False,
                           env={"PATH": os.environ["PATH"], "KAFKA_BOOTSTRAP_SERVERS": where, **LISTENER, **(env or {})}, **popen)
    return shown.returncode, shown.stdout[shown.stdout.find("\nDialling"):] + shown.stderr


@contextlib.contextmanager
def brokers(count=1, **options):
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(Broker(**options)) for _ in range(count)]


def listing(*several):
    return [(i, "127.0.0.1", one.port) for i, one in enumerate(several)]


@contextlib.contextmanager
def silent(count=1):
    """Ports that accept, but never answer."""
    sockets = [socket.create_server(("127.0.0.1", 0), backlog=16) for _ in range(count)]
    try:
        yield [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def test_each_bootstrap_server_and_each_broker_has_a_line_of_its_own():
    with brokers(3) as three:
        for one in three:
            one.brokers = listing(*three)
        code, shown = check(*three)
    assert code == 0, shown
    for i, one in enumerate(three):
        assert len(re.findall(rf"^  {at(one)}: connected in \d+ ms, .*, cluster id C, 3 brokers$", shown, re.M)) == 1, shown
        assert len(re.findall(rf"^  broker {i} \({at(one)}\): connected in \d+ ms, ApiVersions in ", shown, re.M)) == 1, shown
        assert f"broker {i} ({at(one)}) -> 192.0.2.9:{6969 + i} (listener external)" in shown, shown


@pytest.mark.parametrize("policy, deed", [({}, "changes over when every bootstrap server that answers"),
                                          ({"KAFKA_ON_CLUSTER_CHANGE": "refuse"}, "never changes over")])
def test_two_clusters_behind_one_bootstrap_list(policy, deed):
    with brokers(2) as (one, two):
        one.brokers, two.brokers, two.cluster = listing(one), listing(two), "D"
        code, shown = check(one, two, env=policy)
    assert code == 1, shown
    assert f"lead to two clusters: {at(one)} is of cluster id C; {at(two)} is of cluster id D: kferry takes the one" in shown
    assert deed in shown and "[cluster.NAME] of its own" in shown, shown
    # Both clusters' brokers are dialled, and the clients' ports are those of one cluster.
    assert f"broker 0 ({at(two)}) of cluster id D: connected" in shown and shown.count(" -> ") == 1, shown


def test_bootstrap_servers_on_two_listeners_of_one_cluster():
    with brokers(4) as (one, two, other_one, other_two):
        one.brokers = listing(one, two)
        other_one.brokers = listing(other_one, other_two)
        code, shown = check(one, other_one)
    assert code == 1, shown
    assert (f"broker 0 is at {at(one)} according to {at(one)}, and at {at(other_one)} according to {at(other_one)}; "
            "1 more broker differs: the bootstrap servers are on two listeners") in shown, shown
    assert "name the servers of one listener" in shown, shown


def test_lists_that_differ_are_a_warning():
    with brokers(2) as (one, two):
        one.brokers, two.brokers = listing(one, two), listing(one)
        code, shown = check(one, two)
    assert code == 0, shown
    assert f"warning: the servers give different lists: {at(two)} lacks broker 1, unlike {at(one)}" in shown, shown


def test_a_server_without_brokers():
    with brokers(1) as (one,):
        code, shown = check(one)
    assert code == 1, shown
    assert f"error: {at(one)} lists no brokers" in shown and "cluster id C, no brokers" in shown, shown


def test_brokers_that_refuse_or_stay_silent_are_told_with_the_cause(tmp_path):
    file = tmp_path / "kferry.toml"
    file.write_text("[limits]\nupstream_connect_timeout_ms = 300\n")
    with brokers(1) as (one,), silent() as (port,):
        closed = free_port(1)
        one.brokers = [(0, "127.0.0.1", one.port), (1, "127.0.0.1", closed), (2, "127.0.0.1", port)]
        code, shown = check(one, words=("--config", str(file)))
    assert code == 1, shown
    assert f"error: broker 1 (127.0.0.1:{closed}): connection refused" in shown, shown
    assert f"error: broker 2 (127.0.0.1:{port}): connected, but no answer in time" in shown, shown


def test_a_broker_that_names_no_resolvable_host():
    with brokers(1) as (one,):
        one.brokers = [(0, "no-such-host.invalid", 9092)]
        code, shown = check(one)
    assert code == 1 and "error: broker 0 (no-such-host.invalid:9092): its name cannot be resolved here" in shown, shown


@pytest.mark.parametrize("host, told", [
    ("0.0.0.0", "is the unspecified address"), ("::", "is the unspecified address"),
    ("::ffff:0.0.0.0", "is the unspecified address"), ("224.0.0.1", "is a multicast address"),
    ("255.255.255.255", "is the broadcast address"), ("169.254.7.7", "link-local"), ("fe80::7", "link-local"),
    ("", "not an address that can be dialled")])
def test_a_broker_at_an_address_that_is_no_brokers(host, told):
    with brokers(1) as (one,):
        one.brokers = [(0, "127.0.0.1", one.port), (1, host, 9092)]
        code, shown = check(one)
    assert code == 1, shown
    assert re.search(rf"error: broker 1 \(.*:9092\): .*{told}.*: correct the broker's advertised.listeners", shown), shown


def test_a_broker_on_loopback_of_a_cluster_that_is_elsewhere():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as route:
        try:
            route.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this host has no address but loopback")
        address = route.getsockname()[0]
    with Broker(host=address) as one:
        one.brokers = [(0, address, one.port), (1, "127.0.0.1", one.port)]
        code, shown = check(f"{address}:{one.port}")
    assert code == 1 and f"error: broker 1 (127.0.0.1:{one.port}): learnt, on loopback" in shown, shown
    assert f"broker 0 ({address}:{one.port}): connected" in shown, shown


@pytest.mark.parametrize("advertised, claimed", [("192.0.2.9", "192.0.2.9"), ("GW.example.invalid", "gw.example.invalid."),
                                                 ("localhost", "127.0.0.1")])
def test_a_broker_that_is_said_to_be_where_clients_find_kferry(advertised, claimed):
    with brokers(1) as (one,):
        one.brokers = [(0, "127.0.0.1", one.port), (1, claimed, 6970)]
        code, shown = check(one, env={"GATEWAY_LISTENER_EXTERNAL_ADVERTISED_HOST": advertised,
                                      "GATEWAY_LISTENER_EXTERNAL_BIND_ADDRESS": "192.0.2.9"})
    assert code == 1, shown
    assert re.search(rf"error: broker 1 \({re.escape(claimed)}:6970\): is where clients are told to find kferry: .* never made: "
                     "correct the broker's advertised.listeners", shown), shown


def test_brokers_that_share_a_port_are_told_the_list_that_fits():
    with brokers(2) as (one, two):
        one.brokers = [(100, "127.0.0.1", one.port), (106, "127.0.0.1", two.port)]
        code, shown = check(one)
    assert code == 1, shown
    assert f"error: broker 106 ({at(two)}) falls on the port of broker 100 on listener external" in shown, shown
    assert 'ids = "100,106"' in shown and "SNI" in shown, shown


def test_two_brokers_with_one_address():
    with brokers(1) as (one,):
        one.brokers = [(0, "127.0.0.1", one.port), (1, "127.0.0.1", one.port)]
        code, shown = check(one)
    assert code == 1 and f"brokers 0, 1 are all said to be at {at(one)}" in shown, shown


def test_without_credentials_it_says_what_was_not_asked():
    with brokers(1) as (one,):
        one.brokers = [(1, "127.0.0.1", free_port(1))]
        code, shown = check(one, env=SASL)
    assert code == 0, shown
    assert "require SASL, and no credentials are configured" in shown and "no broker was dialled" in shown, shown


def test_credentials_are_used_to_ask_for_the_list():
    jaas = 'x.PlainLoginModule required username="u" password="s3cr3t-Pw";'
    credentials = SASL | {"KAFKA_SASL_MECHANISM": "PLAIN", "KAFKA_SASL_JAAS_CONFIG": jaas}
    with brokers(1) as (one,):
        one.brokers = listing(one)
        code, shown = check(one, env=credentials)
        assert code == 0 and f"broker 0 ({at(one)}): connected" in shown, shown
        one.refusal = (58, "bad token eyJ4711")
        code, shown = check(one, env=credentials)
    assert code == 1 and "SASL_AUTHENTICATION_FAILED: check user name and password" in shown, shown
    assert "eyJ4711" not in shown and "s3cr3t-Pw" not in shown


def test_brokers_are_dialled_at_the_same_time():
    together = threading.Barrier(8)

    class Patient(Broker):
        def answer(self, key, version):
            together.wait(30)
            return super().answer(key, version)

    with brokers(1) as (one,), contextlib.ExitStack() as stack:
        one.brokers = listing(*[stack.enter_context(Patient()) for _ in range(8)])
        ports = {"GATEWAY_LISTENER_EXTERNAL_PORTS": "6969-6976"}
        code, shown = check(one, env=ports)
    assert code == 0 and len(re.findall(r"^  broker \d+ .*: connected in", shown, re.M)) == 8, shown


def test_the_time_limit_ends_what_is_silent():
    with brokers(1) as (one,), silent(40) as ports:
        one.brokers = [(i, "127.0.0.1", port) for i, port in enumerate(ports)]
        code, shown = check(one, words=("--time-limit", "1"), env={"GATEWAY_LISTENER_EXTERNAL_PORTS": "6969-7008"})
    assert code == 1, shown
    assert len(re.findall(r"error: broker \d+ .*no answer in time", shown)) == 16, shown
    assert len(re.findall(r"error: broker \d+ .*not dialled: the time limit was reached: raise --time-limit", shown)) == 24, shown


def test_progress_is_shown_at_a_terminal_alone():
    with brokers(1) as (one,):
        one.brokers = listing(one)
        ours, theirs = pty.openpty()
        subprocess.run([KFERRY, "check", "--dial"], stdout=subprocess.DEVNULL, stderr=theirs, timeout=60, check=True,
                       env={"PATH": os.environ["PATH"], "KAFKA_BOOTSTRAP_SERVERS": at(one), **LISTENER})
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError), os.fdopen(ours, "rb", buffering=0) as terminal:
            while part := terminal.read(4096):
                shown += part
        code, plain = check(one)
    assert b"Dialling the brokers of " in shown and b": 1 of 1" in shown and shown.endswith(b"\r\x1b[K"), shown
    assert code == 0 and "\x1b" not in plain, plain


def test_a_time_limit_without_dial_means_nothing():
    shown = subprocess.run([KFERRY, "check", "--time-limit", "3"], capture_output=True, text=True, timeout=60, check=False)
    assert shown.returncode == 1 and "--dial" in shown.stderr
