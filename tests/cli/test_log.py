"""The log of a running kferry: what it costs others, how much of it there is, and what is never in it.

Needs the built binary's path in KFERRY, as test_cli.py does.
"""
import json
import os
import re
import signal
import socket
import threading
import time

import pytest

from reloading import Reloading, listener, upstream, wait_until
from running import Broker, Kferry, exchange_times, free_port, listener_variables, receive, request

HTTP = b"GET / HTTP/1.1\r\n\r\n"


def strangers(port, count):
    """So many connections that are not Kafka's, each from an address of its own."""
    for i in range(count):
        with socket.socket() as one:
            one.bind((f"127.{10 + i // 60000}.{i // 250 % 250}.{i % 250 + 1}", 0))
            one.connect(("127.0.0.1", port))
            one.sendall(HTTP)
            one.shutdown(socket.SHUT_WR)
            while one.recv(4096):  # until kferry has judged and closed it
                pass


def test_many_addresses_do_not_flood_the_log_and_every_event_counts(tmp_path):
    with Broker() as broker, Kferry(tmp_path, listener_variables(free_port(), f"127.0.0.1:{broker.port}")) as kferry:
        strangers(kferry.port, 600)
        assert kferry.end() == 0
        assert len(kferry.lines("http_request")) <= 201
        assert kferry.count("http_request") == 600
        assert kferry.lines("stopped")


def worst_exchange(port, count):
    """The 95th percentile of so many exchanges, in seconds."""
    return exchange_times(port, count)[-count // 20]


def test_a_blocked_reader_of_the_log_does_not_delay_connections_nor_the_end(tmp_path):
    reading, writing = os.pipe()
    with Broker() as broker:
        kferry = Kferry(tmp_path, listener_variables(free_port(), f"127.0.0.1:{broker.port}"), stderr=writing)
        with kferry:
            os.set_blocking(writing, False)
            while True:  # fills the pipe; kferry's own lines are in it already
                try:
                    os.write(writing, b"\n" * 4096)
                except BlockingIOError:
                    break
            os.set_blocking(writing, True)
            flood = threading.Thread(target=strangers, args=(kferry.port, 300))
            flood.start()
            assert worst_exchange(kferry.port, 200) < 0.02  # a wait for the reader took 20 ms per line
            flood.join()
            began = time.monotonic()
            assert kferry.end() == 0
            assert time.monotonic() - began < 6
    os.close(reading)
    os.close(writing)


def test_a_full_disk_under_the_log_is_no_reason_to_end(tmp_path):
    with Broker() as broker, open("/dev/full", "wb") as full:
        with Kferry(tmp_path, listener_variables(free_port(), f"127.0.0.1:{broker.port}"), stderr=full) as kferry:
            strangers(kferry.port, 20)
            assert worst_exchange(kferry.port, 20) < 1
            assert kferry.end() == 0


def test_lines_before_an_orderly_end_are_written(tmp_path):
    with Broker() as broker, Kferry(tmp_path, listener_variables(free_port(), f"127.0.0.1:{broker.port}")) as kferry:
        strangers(kferry.port, 5)
        kferry.end(signal.SIGINT)
        assert len(kferry.lines("http_request")) == 5
        assert kferry.text().splitlines()[-1].endswith('cause=stopped "kferry stopped"')


def test_a_line_about_a_broker_has_that_brokers_attempts_only(tmp_path):
    dead = [free_port() for _ in range(2)]
    with Broker() as broker:
        broker.brokers = [(0, "127.0.0.1", broker.port), (1, "127.0.0.1", dead[0]), (2, "127.0.0.1", dead[1])]
        with Kferry(tmp_path, listener_variables(free_port(), f"127.0.0.1:{broker.port}")) as kferry:
            deadline = time.monotonic() + 10
            while not kferry.lines("discovered") and time.monotonic() < deadline:
                time.sleep(0.02)
            for node in (1, 2):
                with socket.create_connection(("127.0.0.1", kferry.port + node), 10) as client:
                    client.sendall(request(18, 0))
                    receive(client)  # a stand-in answers
            kferry.end()
            found = kferry.lines("broker_unreachable")
            for node in (1, 2):
                [line] = [one for one in found if f"subject=default/{node} " in one]
                assert set(re.findall(r"127\.0\.0\.1:(\d+)", line)) == {str(dead[node - 1])}
            assert len(found) == 2


def test_the_text_of_a_sasl_error_is_not_logged(tmp_path):
    with Broker(refusal=(58, "bad token eyJ4711")) as broker:
        port = free_port()
        env = listener_variables(port, f"127.0.0.1:{broker.port}", "SASL_PLAINTEXT") | {
            "KAFKA_SASL_MECHANISM": "PLAIN",
            "KAFKA_SASL_JAAS_CONFIG": 'a.PlainLoginModule required username="u" password="p4711";'}
        with Kferry(tmp_path, env) as kferry:
            deadline = time.monotonic() + 10
            while not kferry.lines("discovery_failed") and time.monotonic() < deadline:
                time.sleep(0.02)
            kferry.end()
            assert kferry.lines("discovery_failed"), kferry.text()
            assert "SASL_AUTHENTICATION_FAILED" in kferry.lines("discovery_failed")[0]
            assert "4711" not in kferry.text()


HOSTILE = [HTTP, b"\x16\x03\x01\x02\x00\x01", bytes(range(256)), b"\xff" * 64, request(18, 0)[:6],
           request(3, 1, b"\0" * 10, client=b"\xff\xfe\"\n\\\x1b[2J{}"), b"\0\0\0\x0c\x60\x01" + b"\0" * 10]


def provoke(port):
    """Lines of many causes, with bytes that no format likes in them."""
    for first in HOSTILE:
        with socket.create_connection(("127.0.0.1", port), 10) as one:
            try:
                one.sendall(first)
                one.shutdown(socket.SHUT_WR)
                while one.recv(4096):
                    pass
            except OSError:
                pass  # reset


def objects(kferry):
    """Each line of the log, as JSON."""
    return [json.loads(line) for line in kferry.log.read_bytes().decode("utf-8").splitlines()]


@pytest.mark.parametrize("more", [{"GATEWAY_LOG_FORMAT": "json"}, {"LOG4J2_APPENDER_LAYOUT": "json"}], ids=lambda one: [*one][0])
def test_with_json_every_line_is_an_object_with_the_fields_of_the_text(tmp_path, more):
    with Broker() as broker:
        env = listener_variables(free_port(), f"127.0.0.1:{broker.port}")
        for format_of in (more, {}):
            with Kferry(tmp_path, env | format_of) as kferry:
                strangers(kferry.port, 5)
                provoke(kferry.port)
                assert kferry.end() == 0
            if format_of:
                lines = objects(kferry)
    text = [line.split(" ") for line in kferry.text().splitlines()]
    # Threads write side by side, so that the order differs from run to run; what the network adds is left out.
    elsewhere = {"discovery_failed", "http_request"}
    kinds_of_text = {(words[2].removeprefix("cause="), words[1].removeprefix("level="),
                      any(word.startswith("session=") for word in words)) for words in text}
    kinds = {(line["cause"], line["level"], "session" in line) for line in lines}
    assert {kind for kind in kinds if kind[0] not in elsewhere} == {
        kind for kind in kinds_of_text if kind[0] not in elsewhere}
    assert len({line["cause"] for line in lines}) > 8
    for line in lines:
        assert set(line) - {"subject", "session"} == {"time", "level", "cause", "text"}
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])


def test_every_line_about_a_connection_has_its_session_and_no_two_connections_share_one(tmp_path):
    """Nor do connections before and after a restart."""
    with Broker() as broker:
        env = listener_variables(free_port(), f"127.0.0.1:{broker.port}") | {"GATEWAY_LOG_FORMAT": "json"}
        seen = []
        for _ in range(2):
            with Kferry(tmp_path, env) as kferry:
                strangers(kferry.port, 50)
                kferry.end()
                lines = objects(kferry)
                seen += [line["session"] for line in lines if line["cause"] == "http_request"]
                assert all(line["subject"].startswith("127.") for line in lines if "session" in line)
                assert not [line for line in lines if "session" in line and line["cause"] in ("ready", "listening", "stopped")]
    assert len(seen) == len(set(seen)) == 100
    assert all(re.fullmatch("[0-9a-f]{16}", one) for one in seen)


@pytest.mark.parametrize("more,shown", [({}, {"info", "warning"}), ({"GATEWAY_LOG_LEVEL": "warning"}, {"warning"}),
                                        ({"LOG4J2_ROOT_LEVEL": "WARN"}, {"warning"}), ({"LOG4J2_ROOT_LEVEL": "off"}, set()),
                                        ({"LOG4J2_ROOT_LEVEL": "off", "GATEWAY_LOG_LEVEL": "all"}, {"info", "warning"})],
                         ids=lambda one: " ".join(one) if isinstance(one, dict) else "")
def test_the_level_decides_what_is_written(tmp_path, more, shown):
    with Broker() as broker:
        env = listener_variables(free_port(), f"127.0.0.1:{broker.port}")
        with Kferry(tmp_path, env | more) as kferry:
            strangers(kferry.port, 1)
            kferry.end()
            assert set(re.findall(r"^\S+ level=(\w+)", kferry.text(), re.MULTILINE)) == shown


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("journal", [True, False], ids=["the journal", "another reader"])
def test_priorities_are_for_the_journal_alone(tmp_path, form, journal):
    """JOURNAL_STREAM is inherited: it counts only for the stream that it names."""
    reading, writing = os.pipe()
    stream = os.fstat(writing)
    env = listener_variables(free_port(), "127.0.0.1:1") | {
        "GATEWAY_LOG_FORMAT": form, "JOURNAL_STREAM": f"{stream.st_dev}:{stream.st_ino if journal else stream.st_ino + 1}"}
    with Kferry(tmp_path, env, stderr=writing) as kferry:
        os.close(writing)
        strangers(kferry.port, 1)
        kferry.end()
    with open(reading, encoding="utf-8") as lines:
        for line in lines:
            prefix, rest = re.fullmatch(r"(<\d>)?(.*)", line.rstrip("\n")).groups()
            level = json.loads(rest)["level"] if form == "json" else re.search(r"level=(\w+)", rest)[1]
            assert prefix == ({"error": "<3>", "warning": "<4>", "info": "<6>"}[level] if journal else None)


def test_a_hang_up_continues_the_log_in_a_new_file_of_its_name(tmp_path):
    with Reloading(tmp_path) as kferry:
        kferry.write(upstream(1), listener("external", free_port()))
        kferry.start()
        kferry.hang_up()
        wait_until(lambda: kferry.lines("reloaded"))
        assert not kferry.lines("log_reopened")
        moved = kferry.log.rename(tmp_path / "log.1")
        before = moved.read_text()
        kferry.hang_up()
        wait_until(lambda: kferry.log.exists() and kferry.lines("reloaded"))
        assert len(kferry.lines("log_reopened")) == 1
        assert moved.read_text() == before


def test_the_level_changes_by_a_reload_and_by_a_command(tmp_path):
    first = free_port()
    with Reloading(tmp_path) as kferry:
        def write(level):
            kferry.write(upstream(1), listener("external", first))
            with open(kferry.file, "a", encoding="utf-8") as file:
                file.write(f'log_level = "{level}"\n')
        write("off")
        kferry.start()
        strangers(first, 1)
        kferry.reload_well()
        assert kferry.text() == ""
        write("warn")
        assert any("log_level" in line for line in kferry.reload_well())
        strangers(first, 1)
        wait_until(lambda: kferry.lines("http_request"))
        assert not kferry.lines("reloaded")
        assert command(kferry, "debug")["ok"]
        kferry.reload("--dry-run")
        assert command(kferry, "chatty") == {"v": 1, "type": "result", "ok": False, "text":
                                             "not a known level; levels: off, error, warning, info, debug, fatal, warn, trace, all"}
        assert command(kferry, "info")["ok"]
        kferry.process.send_signal(signal.SIGINT)
        wait_until(lambda: kferry.lines("draining"))


def command(kferry, level):
    """The answer to the control socket's log_level."""
    with socket.socket(socket.AF_UNIX) as control:
        control.connect(str(kferry.control))
        control.settimeout(20)
        control.sendall(json.dumps({"v": 1, "command": "log_level", "level": level}).encode() + b"\n")
        return json.loads(control.makefile().readline())
