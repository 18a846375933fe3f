"""Medians and spreads over the rounds, ratios within a round. Samples with an error count for nothing but a note."""

from statistics import median

from marks import DIRECT, OURS

OTHERS_CORES_MAX = 0.15  # beyond it, something else on the machine disturbed the run


def spread(values):
    return {"median": median(values), "min": min(values), "max": max(values)}


def of_target(rounds):
    good = [sample for sample in rounds if "error" not in sample]
    names = sorted({name for sample in good for name in sample} - {"round", "tls", "load_limited"})
    return {name: spread([sample[name] for sample in good if name in sample]) for name in names}


def ratios(workload, samples):
    """Ours by each other's, within the round."""
    if OURS not in samples:
        return {}
    ours = {sample["round"]: sample for sample in samples[OURS] if "error" not in sample}
    found = {}
    for target, rounds in samples.items():
        pairs = [(ours[sample["round"]], sample) for sample in rounds
                 if "error" not in sample and sample["round"] in ours]
        values = [mine[workload.metric] / theirs[workload.metric] for mine, theirs in pairs if theirs[workload.metric]]
        if target not in (OURS, DIRECT) and values:
            found[target] = spread(values)
    return found


def notes(samples):
    found = []
    for target, rounds in samples.items():
        errors = [sample["error"] for sample in rounds if "error" in sample]
        if errors:
            found.append(f"{target}: {len(errors)} of {len(rounds)} runs are no figure: {errors[-1]}")
    everything = [sample for rounds in samples.values() for sample in rounds]
    limited = sum(bool(sample.get("load_limited")) for sample in everything)
    if limited:
        found.append(f"the load was at its limit in {limited} of {len(everything)} runs: their CPU is an upper bound, "
                     "their throughput and latency are left out")
    filled = sum(bool(sample.get("load_filled")) for sample in everything)
    if filled:
        found.append(f"brokers and clients filled their cores in {filled} of {len(everything)} runs: "
                     "throughput is theirs")
    disturbed = sum(sample.get("others_cores", 0) > OTHERS_CORES_MAX for sample in everything)
    if disturbed:
        found.append(f"{disturbed} of {len(everything)} runs while other processes took more than "
                     f"{OTHERS_CORES_MAX:.0%} of a core")
    return found


def summarise(workload, samples):
    return {"workload": workload.name, "metric": workload.metric,
            "targets": {target: of_target(rounds) for target, rounds in samples.items()},
            "ratios": ratios(workload, samples), "notes": notes(samples)}
