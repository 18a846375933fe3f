#!/usr/bin/python3
"""What the figures come to: errors are no figures, ratios are formed within a round, each mark knows its sense."""

import contextlib
import tempfile
import unittest
import unittest.mock
from pathlib import Path
from types import SimpleNamespace

import bench
import guard
import marks
import own_network
import peers
import summary
import workloads
from marks import MET, MISSED, NO_FIGURE, Figure, Mark
from measuring import SPOILT, Bench, Saturated
from processes import BenchError


def samples(values, metric="cost"):
    """{target: [one a round]}; a text is an error."""
    return {target: [{"round": number} | ({"error": value} if isinstance(value, str) else {metric: value})
                     for number, value in enumerate(rounds)] for target, rounds in values.items()}


class Marks(unittest.TestCase):
    def judge(self, values, limit, **more):
        ours, against = Figure("w", "kferry", "cost"), Figure("w", "haproxy", "cost")
        return Mark("", ours, limit, against, **more).judge({"w": samples(values)})

    def test_the_median_of_the_ratios_within_a_round_decides(self):
        # The ratio of the medians would be 1.0.
        judged = self.judge({"kferry": [1, 2, 9], "haproxy": [2, 4, 2]}, 0.5)
        self.assertEqual((judged["median"], judged["verdict"]), (0.5, MET))
        self.assertEqual(self.judge({"kferry": [3, 2, 9], "haproxy": [2, 3, 2]}, 0.5)["verdict"], MISSED)

    def test_some_marks_are_lower_bounds(self):
        self.assertEqual(self.judge({"kferry": [9], "haproxy": [10]}, 0.95, at_least=True)["verdict"], MISSED)
        self.assertEqual(self.judge({"kferry": [10], "haproxy": [10]}, 0.95, at_least=True)["verdict"], MET)

    def test_an_error_is_no_figure(self):
        judged = self.judge({"kferry": ["saturated", 1], "haproxy": [2, "lost"]}, 0.5)
        self.assertEqual((judged["values"], judged["verdict"]), ([], NO_FIGURE))

    def test_a_round_without_one_side_is_left_out(self):
        judged = self.judge({"kferry": [1, "lost", 1], "haproxy": [2, 1, 4]}, 0.5)
        self.assertEqual(judged["values"], [0.5, 0.25])

    def test_what_is_added_is_over_direct(self):
        added = [Figure("w", target, "cost", "direct") for target in ("kferry", "haproxy")]
        judged = Mark("", added[0], 1, added[1]).judge(
            {"w": samples({"direct": [100], "kferry": [120], "haproxy": [140]})})
        self.assertEqual(judged["values"], [0.5])

    def test_a_mark_whose_workload_was_not_run_is_not_judged(self):
        self.assertIsNone(Mark("", Figure("w", "kferry", "cost"), 1).judge({}))

    def test_every_mark_names_workloads_that_exist(self):
        known = {one.name for one in workloads.WORKLOADS}
        for mark in marks.marks(["kafka-proxy"]):
            for figure in filter(None, (mark.ours, mark.against)):
                self.assertIn(figure.workload, known, mark.title)

    def test_names_are_unique(self):
        names = [one.name for one in workloads.WORKLOADS]
        self.assertEqual(len(names), len(set(names)))


class LoadAtItsLimit(unittest.TestCase):
    GOT = {"requests": 100_000, "bytes": 10_000_000, "seconds": 1.0, "cpu_seconds": 0.5, "p50_us": 9, "p99_us": 99}

    def sample(self, workload, load_s, proxy_s):
        proxy = SimpleNamespace(processes=["one"])
        return Bench.sample(workload, proxy, self.GOT, proxy_s, load_s - self.GOT["cpu_seconds"], 0)

    def test_cpu_per_request_of_a_closed_loop_stands_and_nothing_else(self):
        sample = self.sample(workloads.small(64), 0.97, 0.8)
        self.assertEqual((sample["cpu_us_per_request"], sample["load_limited"]), (8.0, True))
        self.assertFalse(set(SPOILT) & set(sample))
        self.assertIn("throughput", self.sample(workloads.small(64), 0.9, 0.8))

    def test_a_pace_that_was_not_kept_is_an_error(self):
        frames = workloads.frames("fetch", 15, 256, 4)
        for workload in (workloads.churn("full handshakes", workloads.LISTENER_TLS),
                         workloads.paced(workloads.small(64)), frames, workloads.over_relay(frames)):
            with self.subTest(workload.name), self.assertRaises(Saturated):
                self.sample(workload, 0.97, 0.8)

    def test_so_is_one_that_others_on_the_machine_did_not_let_be_kept(self):
        workload = workloads.churn("plaintext", workloads.PLAIN)
        proxy = SimpleNamespace(processes=["one"])
        for part, raises in ((0.95, False), (0.5, True)):
            got = self.GOT | {"requests": part * workload.per_s}
            with self.assertRaises(Saturated) if raises else contextlib.nullcontext():
                Bench.sample(workload, proxy, got, 0.4, 0, 0)

    def test_at_full_load_cpu_per_connection_stands_and_no_rate(self):
        sample = self.sample(workloads.at_full_load(workloads.churn("full handshakes", workloads.LISTENER_TLS)), 1.4, 0.6)
        self.assertEqual((sample["cpu_us_per_connection"], sample["connections_per_cpu_s"]), (6.0, 100_000 / 0.6))
        self.assertFalse(set(SPOILT) & set(sample))

    def test_a_proxy_at_its_limit_is_what_was_measured(self):
        self.assertNotIn("load_limited", self.sample(workloads.small(64), 0.97, 0.99))

    def test_what_is_left_of_it_is_noted(self):
        workload = workloads.small(64)
        rounds = [{"round": 0} | self.sample(workload, 0.97, 0.8), {"round": 1} | self.sample(workload, 0.9, 0.6)]
        one = summary.summarise(workload, {"kferry": rounds})
        self.assertEqual(one["targets"]["kferry"]["cpu_us_per_request"]["max"], 8.0)
        self.assertEqual(one["targets"]["kferry"]["requests_per_s"]["min"], 100_000)
        self.assertIn("the load was at its limit in 1 of 2 runs", one["notes"][0])

    def test_sessions_are_resumed_where_they_are_wanted_and_nowhere_else(self):
        proxy, full = SimpleNamespace(processes=["one"]), workloads.churn("full handshakes", workloads.LISTENER_TLS)
        resumed = workloads.churn("resumed", workloads.LISTENER_TLS, "--resume")
        for workload, part in ((full, 0), (resumed, 100)):
            Bench.check_resumption(workload, proxy, {"requests": 100, "resumed": part})
            with self.subTest(workload.name), self.assertRaises(BenchError):
                Bench.check_resumption(workload, proxy, {"requests": 100, "resumed": 50})


class Chosen(unittest.TestCase):
    def choose(self, *words):
        with unittest.mock.patch("sys.argv", ["bench.py", "--build", "b", *words]):
            options = bench.parse_arguments()
        return [one.name for one in bench.choose(options)], options.only

    def test_a_mark_brings_what_it_is_made_of(self):
        names, only = self.choose("--mark", "p99 added")
        self.assertEqual((names, set(only)), (["small x1"], {"direct", "kferry", "haproxy"}))
        names, only = self.choose("--mark", "stalled readers")
        self.assertEqual((len(names), set(only)), (2, {"kferry"}))

    def test_a_named_peer_has_marks(self):
        peer = "name=p,rewrites=yes,command=proxy {listen}"
        names, only = self.choose("--peer", peer, "--mark", "kafka-producer-perf-test, against p")
        self.assertEqual((names, set(only)), (["kafka-producer-perf-test"], {"kferry", "p"}))

    def test_direct_runs_where_it_sets_the_pace(self):
        with unittest.mock.patch("sys.argv", ["bench.py", "--build", "b", "--only", "kferry"]):
            options = bench.parse_arguments()
        for workload, expected in ((workloads.frames("fetch", 15, 256, 4), ["direct", "kferry"]),
                                   (workloads.small(64), ["kferry"])):
            made = bench.make_targets(options, Path(), [workload])
            self.assertEqual([target.name for target in made], expected)


class Summaries(unittest.TestCase):
    def test_errors_are_noted_and_not_counted(self):
        workload = workloads.small(64)
        one = summary.summarise(workload, samples({"kferry": [1, "lost", 3], "haproxy": [2, 2, 2]}, workload.metric))
        self.assertEqual(one["targets"]["kferry"][workload.metric], {"median": 2, "min": 1, "max": 3})
        self.assertEqual(one["ratios"]["haproxy"]["max"], 1.5)
        self.assertEqual(one["notes"], ["kferry: 1 of 3 runs are no figure: lost"])


class OwnNetwork(unittest.TestCase):
    def test_what_a_namespace_may_not_have_is_refused_with_what_it_may(self):
        with self.assertRaisesRegex(BenchError, "a namespace may have .*reno"):
            own_network.enter("no-such-algorithm")


class Peers(unittest.TestCase):
    def commands(self, text, ports):
        with tempfile.TemporaryDirectory() as directory:
            peer = peers.Named(Path(directory), text)
            peer.ports = [port + 1000 for port in ports]
            return peer, [command for command, _ in peer.commands(ports)]

    def test_a_peer_is_started_for_each_broker(self):
        peer, commands = self.commands("name=p,command=proxy --from {listen} --to {upstream} 'a b'", [9092, 9093])
        self.assertEqual(commands[1], ["proxy", "--from", "127.0.0.1:10093", "--to", "127.0.0.1:9093", "a b"])
        self.assertEqual((len(commands), peer.rewrites_addresses), (2, False))

    def test_one_that_rewrites_is_started_once(self):
        peer, commands = self.commands("name=p,rewrites=yes,command=proxy {upstream},{listen}", [9092, 9093])
        self.assertEqual(commands, [["proxy", "127.0.0.1:9092,127.0.0.1:10092"]])
        self.assertTrue(peer.rewrites_addresses)

    def test_anything_else_is_refused(self):
        for text in ("proxy", "name=p", "command=proxy", "name=p,colour=red,command=proxy"):
            with self.subTest(text), self.assertRaises(ValueError):
                peers.Named(Path("."), text)


class Guard(unittest.TestCase):
    KEPT = {"compiler": "c", "offers": ["o"], "counted": {"row": {"instructions": 1000, "allocations": 0}},
            "traced": {"io_uring: small x1": {"system calls": 2}}}

    def compare(self, **changed):
        return guard.compare(self.KEPT, self.KEPT | changed)

    def test_as_it_was(self):
        self.assertEqual(self.compare(), (2, 0, 0))

    def test_growth_fails(self):
        self.assertEqual(self.compare(counted={"row": {"instructions": 1140, "allocations": 0}}), (1, 1, 0))
        self.assertEqual(self.compare(counted={"row": {"instructions": 1020, "allocations": 1}}), (1, 1, 0))
        self.assertEqual(self.compare(traced={"io_uring: small x1": {"system calls": 2.2}}), (1, 1, 0))

    def test_another_compiler_or_kernel_is_not_compared(self):
        self.assertEqual(self.compare(compiler="d"), (1, 0, 1))
        self.assertEqual(self.compare(offers=[]), (1, 0, 1))


if __name__ == "__main__":
    unittest.main()
