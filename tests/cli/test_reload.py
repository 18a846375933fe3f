"""Reload by SIGHUP and `kferry reload`: what differs takes effect, and nothing else is touched."""
import os
import re
import signal
import socket
import ssl
import struct
import subprocess
import time

import pytest

from frames import free_port, receive, request
from reloading import Client, Echo, Reloading, Traffic, can_connect, connected, listener, upstream, wait_until
from running import KFERRY
from stuck import stuck_worker


@pytest.fixture
def broker():
    with Echo() as one:
        yield one


@pytest.fixture
def kferry(tmp_path):
    with Reloading(tmp_path) as one:
        yield one


def test_nothing_has_changed(kferry, broker):
    port = free_port()
    kferry.write(upstream(broker.port), listener("external", port))
    kferry.start()
    assert kferry.reload_well() == ["nothing has changed"]
    assert kferry.reload("--dry-run").stdout == "nothing would change\n"
    assert kferry.metric('kferry_reloads_total{outcome="unchanged"}') == 1


def test_a_listener_is_added(kferry, broker):
    port, other = free_port(), free_port()
    kferry.write(upstream(broker.port), listener("external", port))
    kferry.start()
    client = connected(port)
    kferry.write(upstream(broker.port), listener("external", port), listener("internal", other))
    assert kferry.reload("--dry-run").stdout.splitlines() == ["listener internal of cluster orders: added",
                                                               "1 change would take effect"]
    assert not can_connect(other)
    assert kferry.reload_well() == ["listener internal of cluster orders: added", "1 change is in force"]
    connected(other).close()
    client.exchange()
    client.close()
    assert "listener internal of cluster orders: added" in kferry.lines("reloaded")[0]


def test_a_listener_is_removed(kferry, broker):
    port, other = free_port(), free_port()
    kferry.write(upstream(broker.port), listener("external", port), listener("internal", other))
    kferry.start()
    stays, leaves, silent = connected(port), connected(other), Client(other)
    kferry.write(upstream(broker.port), listener("external", port))
    assert kferry.reload_well()[-1] == "1 change is in force"
    assert not can_connect(other)
    stays.exchange()
    assert leaves.ended() == b"" and silent.ended() == b""
    stays.exchange()


def test_a_port_is_remapped(kferry, broker):
    port, other, third = free_port(), free_port(), free_port()
    kferry.write(upstream(broker.port), listener("external", port), listener("internal", third))
    kferry.start()
    remapped, stays = connected(port), connected(third)
    kferry.write(upstream(broker.port), listener("external", other), listener("internal", third))
    assert kferry.reload_well() == [
        f"listener external of cluster orders: ports: '{port}-{port + 2}' -> '{other}-{other + 2}'", "1 change is in force"]
    assert remapped.ended() == b""
    assert not can_connect(port)
    connected(other).close()
    stays.exchange()


def certificate(folder, name):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "90",
                    "-keyout", f"{name}.key", "-out", f"{name}.crt", "-subj", f"/CN={name}", "-addext",
                    "subjectAltName=IP:127.0.0.1"], cwd=folder, check=True, capture_output=True, timeout=60)


def test_a_certificate_is_replaced(kferry, broker, tmp_path):
    port = free_port()
    for name in ("first", "second"):
        certificate(tmp_path, name)

    def write(name):
        kferry.write(upstream(broker.port), listener("external", port, more=(
            f'security_protocol = "SSL"\ntls = {{ certificate = "{tmp_path}/{name}.crt", key = "{tmp_path}/{name}.key" }}\n')))

    def wrap(name):
        return ssl.create_default_context(cafile=tmp_path / f"{name}.crt").wrap_socket

    def tls(name):
        return lambda connection: wrap(name)(connection, server_hostname="127.0.0.1")

    write("first")
    kferry.start()
    client = connected(port, tls("first"))
    write("second")
    assert kferry.reload_well()[-1] == "2 changes are in force"
    client.exchange()
    with pytest.raises(ssl.SSLCertVerificationError):
        Client(port, tls("first"))
    connected(port, tls("second")).close()
    # One that cannot be used changes nothing, although the one before serves.
    write("missing")
    refused = kferry.reload()
    assert refused.returncode == 2 and "missing.crt" in refused.stderr
    connected(port, tls("second")).close()
    # The new configuration's certificates are watched.
    write("second")
    kferry.reload_well()
    for end in ("key", "crt"):
        os.replace(tmp_path / f"first.{end}", tmp_path / f"second.{end}")
    wait_until(lambda: kferry.lines("tls_renewed"))
    client.exchange()


def test_a_limit_holds_at_once(kferry, broker):
    port = free_port()
    kferry.write(upstream(broker.port), listener("external", port))
    kferry.start()
    client = connected(port)
    kferry.write(upstream(broker.port), listener("external", port), "[limits]\nfirst_byte_timeout_ms = 100\n")
    assert kferry.reload_well()[0] == "[limits] first_byte_timeout_ms: 60000 -> '100'"
    silent = Client(port)
    assert silent.ended() == b""
    client.exchange()


def test_an_upstream_changes_for_new_connections(kferry, broker):
    port = free_port()
    kferry.write(upstream(broker.port), listener("external", port))
    kferry.start()
    client = connected(port)
    with Echo() as other:
        seen = []
        serve = other.serve
        other.serve = lambda connection: (seen.append(1), serve(connection))
        kferry.write(upstream(other.port), listener("external", port))
        kferry.reload_well()
        connected(port).close()
        assert seen
        client.exchange()


def test_a_cluster_comes_and_goes(kferry, broker):
    port, other = free_port(), free_port()
    first = [upstream(broker.port), listener("external", port)]
    second = [upstream(broker.port, "bills"), listener("external", other, cluster="bills")]
    kferry.write(*first)
    kferry.start()
    client = connected(port)
    kferry.write(*first, *second)
    assert kferry.reload_well() == ["cluster bills: added", "1 change is in force"]
    leaves = connected(other)
    kferry.write(*first)
    assert kferry.reload_well() == ["cluster bills: removed", "1 change is in force"]
    assert leaves.ended() == b""
    assert not can_connect(other)
    client.exchange()


BAD = {"a syntax error": "[cluster", "a wrong value": "[limits]\nkeepalive_probes = 0\n", "an unknown key": "[limits]\nx = 1\n"}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_file_changes_nothing(kferry, broker, what):
    port = free_port()
    good = [upstream(broker.port), listener("external", port)]
    kferry.write(*good)
    kferry.start()
    client = connected(port)
    kferry.write(*good, listener("internal", free_port()), BAD[what])
    refused = kferry.reload()
    assert refused.returncode == 2 and refused.stdout == ""
    assert "error: " in refused.stderr and f"{kferry.file}:" in refused.stderr
    assert refused.stderr.endswith("refused: 1 error; the configuration in force stays\n")
    assert '"code":"reload_failed"' in kferry.get("/health/ready") and '"status":"degraded"' in kferry.get("/health/ready")
    assert kferry.metric('kferry_reloads_total{outcome="refused"}') == 1
    assert kferry.metric('kferry_degraded{reason="reload_failed"}') == 1
    assert len(kferry.lines("reload_refused")) == 1
    client.exchange()
    kferry.write(*good)
    assert kferry.reload_well() == ["nothing has changed"]
    assert "reload_failed" not in kferry.get("/health/ready")


def test_a_file_that_is_gone_or_unreadable_changes_nothing(kferry, broker):
    port = free_port()
    kferry.write(upstream(broker.port), listener("external", port))
    kferry.start()
    client = connected(port)
    kferry.file.rename(f"{kferry.file}.away")
    assert kferry.reload().returncode == 2
    kferry.file.mkdir()
    refused = kferry.reload()
    assert refused.returncode == 2 and "cannot be read" in refused.stderr
    client.exchange()


def test_a_port_that_is_taken_refuses_all_of_it(kferry, broker):
    port, other = free_port(), free_port()
    kferry.write(upstream(broker.port), listener("external", port))
    kferry.start()
    client = connected(port)
    with socket.create_server(("127.0.0.1", other + 2)):
        kferry.write(upstream(broker.port), listener("external", port), listener("internal", other))
        refused = kferry.reload()
        assert refused.returncode == 2 and f"{other + 2}" in refused.stderr
        assert not can_connect(other)
    client.exchange()
    kferry.reload_well()
    connected(other).close()


def test_what_needs_an_upgrade_is_told_every_time_and_the_rest_applied(kferry, broker):
    port, other = free_port(), free_port()
    kferry.write(upstream(broker.port), listener("external", port))
    kferry.start()
    kferry.write(upstream(broker.port), listener("external", port), listener("internal", other), "[engine]\nworkers = 3\n")
    told = "[engine] workers: 0 -> '3' (needs an upgrade or restart)"
    assert kferry.reload_well() == ["listener internal of cluster orders: added", told, "1 change is in force"]
    connected(other).close()
    assert kferry.reload_well() == [told, "nothing has changed"]
    assert "workers" in kferry.lines("reload_needs_upgrade")[0]


def test_the_env_file_is_read_again_and_the_environment_is_that_of_the_start(kferry, broker, tmp_path):
    port, other = free_port(), free_port()
    variables = tmp_path / "env"
    variables.write_text(f"GATEWAY_LISTENER_EXTERNAL_PORTS={port}-{port + 2}\nKAFKA_BOOTSTRAP_SERVERS=10.0.0.1:9\n")
    kferry.write()
    kferry.start({"GATEWAY_ENV_FILE": str(variables), "KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{broker.port}",
                  "GATEWAY_LISTENER_NAMES": "external", "GATEWAY_LISTENER_EXTERNAL_ADVERTISED_HOST": "127.0.0.1",
                  "GATEWAY_LISTENER_EXTERNAL_SECURITY_PROTOCOL": "PLAINTEXT"})
    connected(port).close()
    variables.write_text(f"GATEWAY_LISTENER_EXTERNAL_PORTS={other}-{other + 2}\n")
    assert kferry.reload_well()[-1] == "1 change is in force"
    connected(other).close()
    variables.unlink()
    assert kferry.reload().returncode == 2
    connected(other).close()


def test_a_hundred_hang_ups_in_a_second_lose_nothing(kferry, broker):
    port, other = free_port(), free_port()
    kferry.write(upstream(broker.port), listener("external", port))
    kferry.start()
    traffic = Traffic(connected(port))
    for i in range(100):
        if i % 10 == 5:
            kferry.write(upstream(broker.port), listener("external", port), "[limits]\nx = 1\n")
        else:
            kferry.write(upstream(broker.port), listener("external", port), *[listener("internal", other)] * (i % 2))
        kferry.hang_up()
        time.sleep(0.01)
    kferry.write(upstream(broker.port), listener("external", port), listener("internal", other))
    kferry.hang_up()
    wait_until(lambda: can_connect(other) and kferry.reload("--dry-run").stdout == "nothing would change\n")
    traffic.stop()
    assert "reload_failed" not in kferry.get("/health/ready")
    connected(other).close()


def test_a_stuck_worker_holds_up_no_reload_for_long(kferry, broker):
    """Stuck, the first worker refuses it; with another one stuck it is in force, and the rest of kferry follows it."""
    port, other = free_port(), free_port()
    both = [upstream(broker.port), listener("external", port), "[engine]\nworkers = 2\n"]
    kferry.write(*both)
    kferry.start()
    connected(port).close()
    kferry.write(*both, listener("internal", other))
    with stuck_worker(kferry.process.pid, 0):
        refused = kferry.reload()
        assert refused.returncode == 2 and "a worker does not turn" in refused.stderr and "restart kferry" in refused.stderr
        assert "reload_failed" in kferry.get("/health/ready")
    assert not can_connect(other)
    with stuck_worker(kferry.process.pid, 1):
        shown = kferry.reload()
        assert shown.returncode == 0 and shown.stdout.splitlines()[-1] == "1 change is in force"
        assert "a worker does not turn, and serves its connections by the former configuration" in shown.stderr
        assert can_connect(other) and len(kferry.lines("reload_unfinished")) == 1
        kferry.write(*both)
        assert kferry.reload().returncode == 2  # the move before is not done
    wait_until(lambda: kferry.reload().returncode == 0)
    assert not can_connect(other)
    connected(port).close()


class Asked(Echo):
    """Counts the lists of brokers that it is asked for."""

    lists = 0

    def answer(self, key, version):
        self.lists += key == 3
        return super().answer(key, version)


def test_an_upstream_that_has_not_changed_is_not_asked_again(kferry):
    with Asked() as broker:
        port = free_port()
        lines = [upstream(broker.port), listener("external", port)]
        kferry.write(*lines)
        kferry.start()
        wait_until(lambda: kferry.lines("discovered"))
        asked = broker.lists
        for seconds in (61, 62):
            kferry.write(*lines, f'[limits]\nkeepalive_idle_s = {seconds}\n')
            assert kferry.reload_well()[-1] == "1 change is in force"
        client = connected(port)
        assert broker.lists == asked
        kferry.write(*[line.replace("bootstrap_servers", "dial_budget_ms = 9000\nbootstrap_servers") for line in lines])
        kferry.reload_well()
        wait_until(lambda: broker.lists > asked)
        client.exchange()
        client.close()


def test_bytes_are_exact_through_twenty_reloads(kferry, broker, tmp_path):
    port, other, third = free_port(), free_port(), free_port()
    for name in ("first", "second"):
        certificate(tmp_path, name)

    def write(turn):
        name = ("first", "second")[turn // 2 % 2]
        tls = f'security_protocol = "SSL"\ntls = {{ certificate = "{tmp_path}/{name}.crt", key = "{tmp_path}/{name}.key" }}\n'
        with_spare = [f'[cluster.orders.upstream]\nbootstrap_servers = ["127.0.0.1:{broker.port}", "127.0.0.1:1"]\n']
        kferry.write(*(with_spare if turn % 3 else [upstream(broker.port)]), listener("external", port),
                     listener("secure", other, more=tls), *[listener("internal", third)] * (turn % 2),
                     f"[limits]\nfirst_byte_timeout_ms = {10_000 + turn}\n")

    write(0)
    kferry.start()
    context = ssl.create_default_context(cafile=tmp_path / "first.crt")
    traffic = [Traffic(connected(port)), Traffic(connected(port)),
               Traffic(connected(other, lambda one: context.wrap_socket(one, server_hostname="127.0.0.1")))]
    for turn in range(1, 21):
        write(turn)
        assert kferry.reload_well()[-1].endswith("in force")
    for one in traffic:
        one.stop()
    assert kferry.metric('kferry_reloads_total{outcome="applied"}') == 20


def test_an_unread_log_holds_up_no_reload(tmp_path, broker):
    port, other = free_port(), free_port()
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    try:
        while os.write(writer, b"x" * 4096):
            pass
    except BlockingIOError:
        os.set_blocking(writer, True)
    with Reloading(tmp_path, stderr=writer) as kferry:
        kferry.write(upstream(broker.port), listener("external", port))
        kferry.start()
        kferry.write(upstream(broker.port), listener("external", port), listener("internal", other))
        assert kferry.reload_well()[-1] == "1 change is in force"
        connected(other).close()
        kferry.process.kill()
    os.close(reader)
    os.close(writer)


def test_a_hang_up_during_the_start_ends_nothing(kferry, broker):
    port = free_port()
    kferry.write(upstream(broker.port), listener("external", port))
    with open(kferry.log, "wb") as log:
        kferry.process = subprocess.Popen([KFERRY, "run", "--config", kferry.file], stdin=subprocess.DEVNULL, stdout=log,
                                          stderr=log, preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP}))
    kferry.hang_up()
    wait_until(lambda: kferry.lines("reloaded"))
    assert can_connect(port)


def test_a_hang_up_reloads_under_nohup(kferry, broker):
    port, other = free_port(), free_port()
    kferry.write(upstream(broker.port), listener("external", port))
    kferry.popen["preexec_fn"] = lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)
    kferry.start()
    kferry.write(upstream(broker.port), listener("external", port), listener("internal", other))
    kferry.hang_up()
    wait_until(lambda: can_connect(other))


def test_the_digest_tells_configurations_apart_but_not_by_their_secrets(kferry, broker):
    port = free_port()
    jaas = 'sasl_mechanism = "PLAIN"\nsasl_jaas_config = "a.PlainLoginModule required username=\\"u\\" password=\\"{}\\";"\n'

    def digest(secret, *more):
        kferry.write(upstream(broker.port) + 'security_protocol = "SASL_PLAINTEXT"\n' + jaas.format(secret),
                     listener("external", port, more='security_protocol = "SASL_PLAINTEXT"\n'), *more)
        if kferry.process is None:
            kferry.start()
        kferry.reload_well()
        return re.search(r'kferry_config_hash_info\{hash="([0-9a-f]{16})"\} 1', kferry.get("/metrics"))[1]

    first = digest("one")
    assert digest("two") == first
    assert digest("two", "[limits]\nkeepalive_probes = 4\n") != first
    assert digest("two") == first
    assert "password" not in kferry.text()
    assert time.time() - kferry.metric("kferry_config_last_reload_success_timestamp_seconds") < 60
