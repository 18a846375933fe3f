"""Medians, ratios within a round, marks; as a table and as plain values for JSON."""

from statistics import median

OURS, REFERENCE = "kferry", "haproxy"


OTHERS_CORES_MAX = 0.15  # beyond it, something else on the machine disturbed the run


def spread(values):
    return {"median": median(values), "min": min(values), "max": max(values)}


def figure(values, digits):
    return f"{values['median']:.{digits}f} ({values['min']:.{digits}f}-{values['max']:.{digits}f})"


def verdict(value, limit):
    return {"value": value, "limit": limit, "met": value <= limit}


def summarise(workload, samples):
    """samples: {target: [one per round]} → medians and spreads per target, ratios within the round, the mark."""
    metric = workload.metric
    summary = {"workload": workload.name, "metric": metric, "targets": {}, "notes": []}
    for target, rounds in samples.items():
        names = set(rounds[0]) - {"round", "saturated"}
        summary["targets"][target] = {name: spread([one[name] for one in rounds]) for name in sorted(names)}
        saturated = sum(one["saturated"] for one in rounds)
        if saturated:
            summary["notes"].append(f"{target}: load generator saturated in {saturated} of {len(rounds)} runs")
    disturbed = sum(one["others_cores"] > OTHERS_CORES_MAX for rounds in samples.values() for one in rounds)
    if disturbed:
        summary["notes"].append(f"{disturbed} runs while other processes took more than "
                                f"{OTHERS_CORES_MAX:.0%} of a core")
    if OURS in samples and REFERENCE in samples:
        ratios = {}
        for name in (metric, "p50_us", "p99_us", "throughput"):
            pairs = zip(samples[OURS], samples[REFERENCE])
            ratios[name] = spread([ours[name] / theirs[name] for ours, theirs in pairs])
        summary["ratios"] = ratios
        if workload.ratio_mark is not None:
            summary["mark"] = verdict(ratios[metric]["median"], workload.ratio_mark)
    return summary


def mark_text(mark, digits, unit=""):
    if mark is None:
        return ""
    return f"≤ {mark['limit']:.{digits}f}{unit} {'met' if mark['met'] else 'MISSED'}"


def print_table(header, rows):
    widths = [max(len(str(row[i])) for row in [header, *rows]) for i in range(len(header))]
    for row in [header, ["-" * width for width in widths], *rows]:
        cells = [str(row[0]).ljust(widths[0])]
        cells += [str(cell).rjust(width) for cell, width in zip(row[1:], widths[1:])]
        print("  ".join(cells).rstrip())


def print_summaries(summaries, targets):
    """Two tables: frames by CPU per GB, small requests by CPU per request; notes beneath."""
    kinds = {"cpu_s_per_gb": ("CPU seconds per GB through the proxy", 3, "GB/s", 2),
             "cpu_us_per_request": ("CPU microseconds per small request in the proxy", 2, "req/s", 0)}
    for metric, (title, digits, throughput_unit, throughput_digits) in kinds.items():
        mine = [one for one in summaries if one["metric"] == metric]
        if not mine:
            continue
        proxies = [name for name in targets if name != "direct"]
        print(f"\n{title}: median (spread); {throughput_unit} beside it")
        header = ["workload", *proxies, f"{OURS}/{REFERENCE}", "mark"]
        header += [f"{name} {throughput_unit}" for name in targets]
        rows = []
        for one in mine:
            row = [one["workload"] + (" *" if one["notes"] else "")]
            row += [figure(one["targets"][name][metric], digits) for name in proxies]
            row.append(figure(one["ratios"][metric], 2) if "ratios" in one else "")
            row.append(mark_text(one.get("mark"), 2))
            row += [f"{one['targets'][name]['throughput']['median']:,.{throughput_digits}f}" for name in targets]
            rows.append(row)
        print_table(header, rows)
        for one in mine:
            for note in one["notes"]:
                print(f"  * {one['workload']}: {note}")
    print("\nLatency, microseconds: p50 / p99, medians over the rounds")
    header = ["workload", *targets]
    rows = [[one["workload"]] + [f"{one['targets'][name]['p50_us']['median']:,.0f} / "
                                 f"{one['targets'][name]['p99_us']['median']:,.0f}" for name in targets]
            for one in summaries]
    print_table(header, rows)


def print_footprints(footprints):
    print("\nAt rest")
    header = ["target", "start to first answer", "resident", "private", "user memory per idle connection", "mark"]
    rows = [[name, f"{one['first_answer_ms']['median']:.1f} ms", f"{one['rss_bytes'] / 2**20:.1f} MiB",
             f"{one['private_bytes'] / 2**20:.1f} MiB",
             f"{one['idle_connection_bytes']:,.0f} B x {one['idle_connections']:,}",
             mark_text(one.get("mark"), 0, " B")] for name, one in footprints.items()]
    print_table(header, rows)


def print_codec(rows):
    print("\nCodec, nanoseconds per frame (nothing moved, only walked)")
    print_table(["frame", "ns"], [[row["name"], f"{row['ns']:,.0f}"] for row in rows])
