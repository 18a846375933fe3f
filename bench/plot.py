#!/usr/bin/python3
"""Draws a result of bench.py: bars per workload and target, and each mark as measured by allowed.

    bench/plot.py result.json result.svg
"""

import json
import sys

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402  the backend comes first

PANELS = {"cpu_s_per_gb": "CPU seconds per GB through the proxy",
          "cpu_us_per_request": "CPU microseconds per small request",
          "cpu_us_per_connection": "CPU microseconds per new connection",
          "idle_connection_bytes": "user memory of an idle connection, bytes"}
# The same colour for a target in every panel.
ORDER = ["direct", "kferry", "kferry-epoll", "haproxy", "haproxy-splice", "nginx"]
BAR_INCHES = 0.16


def colour(name, names):
    return f"C{(ORDER.index(name) if name in ORDER else len(ORDER) + names.index(name)) % 10}"


def bars(axes, title, metric, workloads):
    names = [name for name in dict.fromkeys(target for one in workloads for target in one["targets"])
             if any(metric in one["targets"].get(name, {}) for one in workloads) and name != "direct"]
    height = 0.8 / max(1, len(names))
    for number, name in enumerate(names):
        rows = [(place, one["targets"][name][metric]) for place, one in enumerate(workloads)
                if metric in one["targets"].get(name, {})]
        middles = [values["median"] for _, values in rows]
        errors = [[values["median"] - values["min"] for _, values in rows],
                  [values["max"] - values["median"] for _, values in rows]]
        axes.barh([place + number * height - 0.4 for place, _ in rows], middles, height, align="edge", xerr=errors,
                  label=name, color=colour(name, names), error_kw={"elinewidth": 0.7})
    axes.set_yticks(range(len(workloads)), [one["workload"] for one in workloads])
    axes.invert_yaxis()
    axes.set_title(title, loc="left")
    axes.legend(fontsize="small", loc="lower right")
    axes.grid(axis="x", alpha=0.3)


def mark_bars(axes, marks):
    """Everything right of 1 is missed, for marks of either sense."""
    shown = [one for one in marks if one["values"]]
    parts = [one["limit"] / one["median"] if one["at_least"] else one["median"] / one["limit"] for one in shown]
    axes.barh(range(len(shown)), parts, color=["C2" if part <= 1 else "C3" for part in parts])
    axes.axvline(1, color="black", linewidth=1)
    axes.set_yticks(range(len(shown)), [one["mark"] for one in shown])
    axes.invert_yaxis()
    axes.set_title("marks: measured by allowed, met up to 1", loc="left")


def draw(result, path):
    panels = [(metric, title, [one for one in result["workloads"] if one["metric"] == metric])
              for metric, title in PANELS.items()]
    panels = [panel for panel in panels if panel[2]]
    marks = [one for one in result["marks"] if one["values"]]
    heights = [1 + BAR_INCHES * sum(len(one["targets"]) for one in workloads) for _, _, workloads in panels]
    heights += [1 + 2 * BAR_INCHES * len(marks)] if marks else []
    if not heights:
        return False
    figure, every = pyplot.subplots(len(heights), 1, figsize=(12, sum(heights)), squeeze=False, layout="constrained",
                                    gridspec_kw={"height_ratios": heights})
    for axes, (metric, title, workloads) in zip(every[:, 0], panels):
        bars(axes, title, metric, workloads)
    if marks:
        mark_bars(every[-1, 0], marks)
    machine = result["machine"]
    figure.suptitle(f"kferry bench, {result['time']}, {machine['cpu']}, {machine['cores']} cores, Linux "
                    f"{machine['kernel']}, load {machine['load_before']:.1f} to {machine['load_after']:.1f}",
                    fontsize=9)
    figure.savefig(path)
    return True


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as source:
        draw(json.load(source), sys.argv[2])
