"""Every workload on every target, in rounds: all targets one after the other, another one first in each round, and
direct before them, since it sets the pace. A run that fails is an error in its place; the others go on."""

import sys
import time

from measuring import PROXY_CORE, Bench, Saturated
from processes import BenchError
from workloads import PLAIN, AtRest, Workload

# Beside the seconds of a run: processes, connections, the warm-up, the last answers.
AROUND_S, AT_REST_S, AT_REST_TLS_S = 0.4, 1.5, 8


class Progress:
    """One line for each run, with the time left."""

    def __init__(self, seconds):
        self.expected, self.done = seconds, 0.0
        self.began = time.monotonic()

    def say(self, seconds, text):
        self.done += seconds
        spent = time.monotonic() - self.began
        # Half way from what was thought to what is seen, so that the first runs do not decide.
        pace = (spent + 20) / (self.done + 20)
        left = max(0.0, (self.expected - self.done) * pace)
        print(f"[{int(spent) // 60}:{int(spent) % 60:02d}, {int(left) // 60}:{int(left) % 60:02d} left] {text}",
              file=sys.stderr, flush=True)


def seconds_of(workload, options):
    if isinstance(workload, AtRest):
        return AT_REST_S if workload.tls == PLAIN else AT_REST_TLS_S
    return options.seconds * workload.seconds + options.warm_up + AROUND_S


def expected_seconds(workload_list, targets, options):
    return options.rounds * sum(seconds_of(one, options) * sum(suits(target, one) for target in targets)
                                for one in workload_list)


def suits(target, workload):
    if workload.tls != PLAIN and not target.speaks_tls:
        return False
    if target.only_frames and (workload.metric != "cpu_s_per_gb" or workload.half_core):
        return False
    return target.name != "direct" or not (isinstance(workload, AtRest) or workload.half_core)


class Rounds:
    """`targets` are started afresh in each round, before a broker of their own."""

    def __init__(self, options, directory, tls, targets, progress):
        self.options, self.targets, self.progress = options, targets, progress
        self.bench = Bench(options.load, directory, tls)
        self.paces = {}  # requests a second in this round, by workload

    def run(self, workload_list):
        """{workload: {target: [one sample a round]}}; a sample with 'error' has no figures."""
        samples = {one.name: {target.name: [] for target in self.targets if suits(target, one)}
                   for one in workload_list}
        try:
            self.bench.start_broker()
            for number in range(self.options.rounds):
                self.paces.clear()
                for target in self.targets:
                    self.restart(target)
                for workload in workload_list:
                    self.run_on_all(workload, number, samples[workload.name])
                for target in self.targets:
                    target.stop()
        finally:
            for target in self.targets:
                target.stop()
            self.bench.close()
        return samples

    def restart(self, target):
        if not self.bench.broker_alive():
            self.bench.start_broker()
        target.start_afresh([self.bench.broker_port], PROXY_CORE)

    def run_on_all(self, workload, number, samples):
        ordered = [target for target in self.targets if target.name in samples]
        proxies = [target for target in ordered if target.processes]
        turn = number % max(1, len(proxies))
        requests_per_s = workload.per_s or self.paces.get(workload.paced_as)
        for target in [one for one in ordered if not one.processes] + proxies[turn:] + proxies[:turn]:
            sample = self.one_run(workload, target, requests_per_s)
            if workload.pace and not target.processes and not requests_per_s and "error" not in sample:
                requests_per_s = self.paces[workload.name] = workload.pace * sample["requests_per_s"]
            samples[target.name].append({"round": number} | sample)
            said = sample.get("error") or f"{sample[workload.metric]:.3f} {workload.metric}"
            self.progress.say(seconds_of(workload, self.options), f"{workload.name}, {target.name}: {said}")

    def one_run(self, workload: Workload, target, requests_per_s):
        try:
            if isinstance(workload, AtRest):
                return self.bench.at_rest(target)
            return self.bench.run(workload, target, self.options.seconds, self.options.warm_up, requests_per_s)
        except Saturated as error:
            return {"error": str(error), "saturated": True}
        except BenchError as error:
            self.restart(target)
            return {"error": str(error)}
