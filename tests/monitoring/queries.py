"""The queries of the alerts and of the dashboard, and what docs/metrics.md allows them. Needs no kferry."""
import json
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
ALERTS = ROOT / "packaging/prometheus/alerts.yml"
DASHBOARD = ROOT / "packaging/grafana/kferry.json"

# What Prometheus itself adds to every series, and its own series.
SCRAPED = {"job", "instance"}
PROMETHEUS = {"up": set()}
# What Grafana puts into a query; the dashboard's own variables match everything here.
GRAFANA = {"$__rate_interval": "1m", "$__range": "5m", "$instance": ".*", "$cluster": ".*", "$listener": ".*"}


def series():
    """Each series' labels, by docs/metrics.md. A histogram is three series."""
    found = dict(PROMETHEUS)
    for name, kind, labels in re.findall(r"^\| `(\w+)` \| (\w+) \| ([^|]*) \|", (ROOT / "docs/metrics.md").read_text(), re.M):
        own = set(re.findall(r"`(\w+)`", labels))
        if kind == "histogram":
            found.update({name + "_bucket": own | {"le"}, name + "_sum": own, name + "_count": own})
        else:
            found[name] = own
    assert len(found) > 10, found
    return found


def alerts():
    """The rules, each a dictionary of its lines. The file keeps one line per field, quoted where it has quotes or a colon."""
    rules = []
    for line in ALERTS.read_text().splitlines():
        key, _, value = line.strip().removeprefix("- ").partition(": ")
        if key == "alert":
            rules.append({})
        if rules and value:
            assert key not in rules[-1], line
            rules[-1][key] = value.strip().strip('"')
    assert rules
    return rules


def panels():
    """The panels with queries, those in rows included."""
    def inside(panel):
        return [panel] + [one for child in panel.get("panels", []) for one in inside(child)]

    dashboard = json.loads(DASHBOARD.read_text())
    return [one for panel in dashboard["panels"] for one in inside(panel) if one["type"] != "row"]


def filled(query):
    """With a value for each of Grafana's variables."""
    for variable, value in GRAFANA.items():
        query = query.replace(variable, value)
    assert "$" not in query, query
    return query


def faults(query):
    """What a query uses that docs/metrics.md does not have."""
    known, found = series(), []
    bare = re.sub(r'"[^"]*"', '""', query)
    used = set(re.findall(r"\b(?:kferry|process)_\w+|\bup\b", bare))
    found += [f"no series {name}" for name in sorted(used - known.keys())]
    if not used:
        found.append("no series at all")
    for name, matchers in re.findall(r"\b(\w+)\{([^}]*)\}", bare):
        for label in re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers):
            if label not in known.get(name, set()) | SCRAPED:
                found.append(f"{name} has no label {label}")
    every = SCRAPED.union(*(known.get(name, set()) for name in used))
    for labels in re.findall(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)", bare):
        found += [f"no label {label} in {sorted(used)}" for label in re.findall(r"\w+", labels) if label not in every]
    return found
