#!/usr/bin/python3
"""A run whose bytes are not the ones asked for must end as an error, in either direction; pace, stalled readers and the
relay's delay are what they are said to be.

    load_test.py PATH/TO/load
"""

import json
import socket
import subprocess
import sys
import threading
import unittest

LOAD = sys.argv.pop(1)
CHANGED_AT = 300_000  # bytes into the stream, well inside the second frame


def unchanged(chunk, _):
    return chunk


def flipped(chunk, at):
    return chunk[:at] + bytes([chunk[at] ^ 1]) + chunk[at + 1:]


CHANGES = {
    "flipped": flipped,
    "lost": lambda chunk, at: chunk[:at] + chunk[at + 1:],
    "doubled": lambda chunk, at: chunk[:at] + chunk[at:at + 1] + chunk[at:],
    "swapped": lambda chunk, at: chunk[:at] + chunk[at:at + 64][::-1] + chunk[at + 64:],
}


class Relay:
    """Carries one connection to the fake broker; changes one place of one direction."""

    def __init__(self, broker_port, change, of_responses):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.run, args=(broker_port, change, of_responses))
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.thread.join()

    def run(self, broker_port, change, of_responses):
        with self.listener, self.listener.accept()[0] as client, \
                socket.create_connection(("127.0.0.1", broker_port)) as broker:
            requests = threading.Thread(target=self.carry,
                                        args=(client, broker, unchanged if of_responses else change))
            requests.start()
            self.carry(broker, client, change if of_responses else unchanged)
            requests.join()

    @staticmethod
    def carry(source, sink, change):
        passed = 0
        try:
            while chunk := source.recv(65536):
                at = CHANGED_AT - passed
                passed += len(chunk)
                sink.sendall(change(chunk, at) if 0 <= at < len(chunk) - 64 else chunk)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            # One side gave up, which is what is tested: so does the other.
            for end in (source, sink):
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass


class WithBroker(unittest.TestCase):
    def setUp(self):
        self.broker = subprocess.Popen([LOAD, "--serve", "127.0.0.1:0"], stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE, text=True)
        self.port = int(self.broker.stdout.readline().split()[1])

    def tearDown(self):
        self.broker.kill()
        self.broker.communicate()

    def drive(self, port, *workload):
        return subprocess.run([LOAD, "--drive", f"127.0.0.1:{port}", "--warm-up", "0", "--seconds", "0.2",
                               *workload], capture_output=True, text=True, timeout=60)

    def figures(self, port, *workload):
        done = self.drive(port, *workload)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return json.loads(done.stdout.splitlines()[-1])


class LossyRun(WithBroker):
    def test_unchanged_bytes_are_a_figure(self):
        with Relay(self.port, unchanged, True) as relay:
            done = self.drive(relay.port, "--workload", "fetch", "--version", "17", "--size", "262144")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn('"requests"', done.stdout)

    def test_changed_responses_are_an_error(self):
        for name, change in CHANGES.items():
            with self.subTest(name), Relay(self.port, change, True) as relay:
                done = self.drive(relay.port, "--workload", "fetch", "--version", "15", "--size", "262144")
                self.assertEqual(done.returncode, 1)
                self.assertIn("arrived changed, after byte", done.stderr)

    def test_changed_requests_are_an_error(self):
        with Relay(self.port, CHANGES["flipped"], False) as relay:
            done = self.drive(relay.port, "--workload", "produce", "--version", "9", "--size", "262144")
        self.assertEqual(done.returncode, 1)
        self.assertEqual(self.broker.wait(10), 1)
        self.assertIn("a produce request arrived changed", self.broker.stderr.read())


class ShapedRun(WithBroker):
    def test_the_pace_is_kept_and_not_exceeded(self):
        got = self.figures(self.port, "--workload", "small", "--connections", "4", "--requests-per-second", "500")
        self.assertLessEqual(got["requests"] / got["seconds"], 520)
        # A busy machine may take some of it away.
        self.assertGreater(got["requests"] / got["seconds"], 250)

    def test_new_connections_keep_the_pace_and_are_all_answered(self):
        got = self.figures(self.port, "--workload", "churn", "--connections", "4", "--requests-per-second", "100")
        self.assertLessEqual(got["requests"] / got["seconds"], 110)
        self.assertGreater(got["requests"], 4)
        self.assertEqual(got["resumed"], 0)

    def test_others_go_on_beside_stalled_readers(self):
        got = self.figures(self.port, "--workload", "fetch", "--version", "15", "--size", "262144", "--stalled", "8")
        self.assertGreater(got["requests"], 1)

    def test_the_relay_adds_its_delay_each_way_and_nothing_else(self):
        command = [LOAD, "--relay", "127.0.0.1:0", "--to", f"127.0.0.1:{self.port}", "--each-way-ms", "20"]
        relay = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.addCleanup(relay.communicate)
        self.addCleanup(relay.kill)
        port = int(relay.stdout.readline().split()[1])
        got = self.figures(port, "--workload", "fetch", "--version", "17", "--size", "1048576", "--connections", "4")
        self.assertGreaterEqual(got["p50_us"], 40_000)
        self.assertLess(got["p50_us"], 90_000)


if __name__ == "__main__":
    unittest.main()
