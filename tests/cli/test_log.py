"""The log of a running kferry: what it costs others, how much of it there is, and what is never in it.

Needs the built binary's path in KFERRY, as test_cli.py does.
"""
import os
import re
import signal
import socket
import threading
import time

from running import Broker, Kferry, free_port, listener_variables, receive, request

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
    times = []
    with socket.create_connection(("127.0.0.1", port), 10) as honest:
        for _ in range(count):
            began = time.monotonic()
            honest.sendall(request(18, 0))
            receive(honest)
            times.append(time.monotonic() - began)
    return sorted(times)[-count // 20]


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
