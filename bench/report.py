"""The tables. A star refers to a note beneath."""

from marks import DIRECT, MET, MISSED, NO_FIGURE

# metric: title, digits, what it is shown with
TABLES = {
    "cpu_s_per_gb": ("CPU seconds per GB through the proxy", 3, ("gb_per_s", "GB/s", 3)),
    "cpu_us_per_request": ("CPU microseconds per small request in the proxy", 2, ("requests_per_s", "req/s", 0)),
    "cpu_us_per_connection": ("CPU microseconds per new connection in the proxy", 1,
                              ("connections_per_cpu_s", "per CPU s", 0)),
    "gb_per_s": ("GB/s over the relay", 4, ("proxy_core", "of a core", 3)),
}
AT_REST = {"first_answer_ms": ("start to first answer", 1, 1, "ms"), "rss_bytes": ("resident", 1, 1e6, "MB"),
           "private_bytes": ("private", 1, 1e6, "MB"),
           "idle_connection_bytes": ("user memory of an idle connection", 0, 1, "bytes")}
NOTHING = "-"


def figure(values, digits):
    if not values:
        return NOTHING
    return f"{values['median']:,.{digits}f} ({values['min']:,.{digits}f}-{values['max']:,.{digits}f})"


def print_table(header, rows):
    widths = [max(len(str(row[i])) for row in [header, *rows]) for i in range(len(header))]
    for row in [header, ["-" * width for width in widths], *rows]:
        cells = [str(row[0]).ljust(widths[0])]
        cells += [str(cell).rjust(width) for cell, width in zip(row[1:], widths[1:])]
        print("  ".join(cells).rstrip())


def starred(one):
    return one["workload"] + (" *" if one["notes"] else "")


def print_notes(summaries):
    for one in summaries:
        for note in one["notes"]:
            print(f"  * {one['workload']}: {note}")


def targets_of(summaries):
    return list(dict.fromkeys(target for one in summaries for target in one["targets"]))


def print_loads(summaries):
    for metric, (title, digits, (second, unit, second_digits)) in TABLES.items():
        mine = [one for one in summaries if one["metric"] == metric]
        if not mine:
            continue
        names = [name for name in targets_of(mine) if metric == "gb_per_s" or name != DIRECT]
        print(f"\n{title}: median (spread)")
        print_table(["workload", *names], [
            [starred(one), *(figure(one["targets"].get(name, {}).get(metric), digits) for name in names)]
            for one in mine])
        print(f"\n  the same: {unit}; kferry's ratio to each, within the round")
        peers = [name for name in names if any(name in one["ratios"] for one in mine)]
        print_table(["workload", *(f"{name} {unit}" for name in targets_of(mine)), *(f"to {name}" for name in peers)], [
            [one["workload"],
             *(f"{values['median']:,.{second_digits}f}"
               if (values := one["targets"].get(name, {}).get(second)) else NOTHING for name in targets_of(mine)),
             *(figure(one["ratios"].get(name), 2) for name in peers)] for one in mine])
        print_notes(mine)


def print_latencies(summaries):
    mine = [one for one in summaries if any("p50_us" in values for values in one["targets"].values())]
    if not mine:
        return
    names = targets_of(mine)
    print("\nLatency, microseconds: p50 / p99, medians over the rounds")
    print_table(["workload", *names], [
        [one["workload"], *(f"{values['p50_us']['median']:,.0f} / {values['p99_us']['median']:,.0f}"
                            if "p50_us" in (values := one["targets"].get(name, {})) else NOTHING for name in names)]
        for one in mine])


def print_at_rest(summaries):
    mine = [one for one in summaries if one["metric"] == "idle_connection_bytes"]
    if not mine:
        return
    print("\nAt rest: median (spread)")
    rows = []
    for one in mine:
        for target, values in one["targets"].items():
            cells = [figure(values.get(name) and {key: value / scale for key, value in values[name].items()}, digits)
                     for name, (_, digits, scale, _) in AT_REST.items()]
            rows.append([f"{starred(one)}, {target}", *cells])
    print_table(["target", *(f"{title}, {unit}" for title, _, _, unit in AT_REST.values())], rows)
    print_notes(mine)


def print_marks(judged):
    """Returns how many were met, missed, and without a figure."""
    print("\nMarks: the median of the ratios, each formed within a round (their spread)")
    rows = []
    for one in judged:
        unit = f" {one['unit']}" if one["unit"] else ""
        digits = 0 if one["unit"] == "bytes" else 2
        values = one["values"] and {"median": one["median"], "min": min(one["values"]), "max": max(one["values"])}
        sign = "≥" if one["at_least"] else "≤"
        rows.append([one["mark"], figure(values, digits) + unit, f"{sign} {one['limit']:,.{digits}f}{unit}",
                     one["verdict"]])
    print_table(["mark", "measured", "limit", ""], rows)
    counts = [sum(one["verdict"] == verdict for one in judged) for verdict in (MET, MISSED, NO_FIGURE)]
    print(f"\nmarks: {counts[0]} met, {counts[1]} missed, {counts[2]} without a figure")
    return counts


def print_codec(rows):
    print("\nCodec, nanoseconds per frame (nothing moved, only walked)")
    print_table(["frame", "ns"], [[row["name"], f"{row['ns']:,.0f}"] for row in rows])
