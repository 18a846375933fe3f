"""The alerts, their runbooks and the dashboard agree with each other and with the metrics that kferry has.

Needs promtool (Debian's prometheus), and no kferry: python3 -m pytest tests/monitoring/test_monitoring.py
"""
import pathlib
import re
import subprocess

from queries import ALERTS, ROOT, alerts, faults, filled, panels

HERE = pathlib.Path(__file__).resolve().parent
RUNBOOKS = ROOT / "docs/runbooks"


def promtool(*words):
    ran = subprocess.run(["promtool", *words], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def test_prometheus_takes_the_alerts():
    assert f"{len(alerts())} rules found" in promtool("check", "rules", str(ALERTS))


def test_alerts_fire_when_they_should_and_only_then():
    promtool("test", "rules", str(HERE / "alerts.test.yml"))


def test_every_alert_is_shown_to_fire_and_not_to_fire():
    cases = re.findall(r"alertname: (\w+)\n\s+exp_alerts:(\s*\[\])?", (HERE / "alerts.test.yml").read_text())
    for rule in alerts():
        assert {bool(none) for name, none in cases if name == rule["alert"]} == {False, True}, rule["alert"]


def test_every_alert_says_how_bad_it_is_and_what_to_do():
    for rule in alerts():
        assert rule["severity"] in ("critical", "warning"), rule
        assert 40 <= len(rule["summary"]) <= 200 and "$labels.instance" in rule["summary"], rule
        assert rule["runbook_url"] == f"docs/runbooks/{rule['alert']}.md", rule


def test_every_alert_has_a_runbook_and_the_reverse():
    assert {f"{rule['alert']}.md" for rule in alerts()} == {path.name for path in RUNBOOKS.glob("*.md")}
    for path in RUNBOOKS.glob("*.md"):
        text = path.read_text()
        assert re.findall(r"^#+ .*", text, re.M) == [f"# {path.stem}", "## What it means", "## What to look at",
                                                     "## What to do"], path
        for part in text.split("\n## ")[1:]:
            assert len(part) > 80, (path, part)
        for link in re.findall(r"\]\(([^)#]+)", text):
            assert (RUNBOOKS / link).exists(), (path, link)


def test_runbooks_name_causes_that_kferry_logs():
    causes = set(re.findall(r"^\| `(\w+)` \|", (ROOT / "docs/log-messages.md").read_text(), re.M))
    for path in RUNBOOKS.glob("*.md"):
        for cause in re.findall(r"cause=(\w+)", path.read_text()):
            assert cause in causes, (path, cause)


def test_queries_use_series_and_labels_that_kferry_has():
    queries = {rule["alert"]: rule["expr"] for rule in alerts()}
    queries |= {f"{panel['title']} {target['refId']}": filled(target["expr"])
                for panel in panels() for target in panel["targets"]}
    assert not {name: faults(query) for name, query in queries.items() if faults(query)}


def test_reasons_are_those_of_health():
    codes = set(re.findall(r"^\| `(\w+)` \|", (ROOT / "docs/operations.md").read_text(), re.M))
    used = {reason for rule in alerts() for reason in re.findall(r'kferry_degraded\{reason="(\w+)"', rule["expr"])}
    assert used == codes & used and used
    health = (ROOT / "src/operations/health.cc").read_text()
    assert used == {code for code in re.findall(r'return "(\w+_\w+)";', health)}, "each reason has an alert"


def test_causes_of_an_end_are_those_that_kferry_has():
    page = (ROOT / "docs/metrics.md").read_text()
    causes = re.findall(r"^\| `(\w+)` \|", page[page.index("\n## Why connections end"):], re.M)
    queries = [rule["expr"] for rule in alerts()] + [target["expr"] for panel in panels() for target in panel["targets"]]
    for pattern in (found for query in queries for found in re.findall(r'cause=~?"([^"]*)"', query)):
        for one in pattern.split("|"):
            assert any(re.fullmatch(one, cause) for cause in causes), (one, causes)


def test_what_does_not_exist_is_found():
    assert faults("sum(kferry_nothing_total)") == ["no series kferry_nothing_total"]
    assert faults('kferry_degraded{cause="x"}') == ["kferry_degraded has no label cause"]
    assert faults("sum by (topic) (kferry_brokers)") == ["no label topic in ['kferry_brokers']"]
    assert faults('sum by (instance, cluster) (kferry_brokers{state="listed"})') == []


def test_prometheus_parses_every_query_of_the_dashboard(tmp_path):
    queries = [filled(target["expr"]) for panel in panels() for target in panel["targets"]]
    rules = "".join(f"      - record: panel:query:{n}\n        expr: |-\n          {query}\n" for n, query in enumerate(queries))
    (tmp_path / "rules.yml").write_text(f"groups:\n  - name: dashboard\n    rules:\n{rules}")
    assert f"{len(queries)} rules found" in promtool("check", "rules", str(tmp_path / "rules.yml"))


def test_panels_are_complete_and_do_not_overlap():
    places, ids = set(), set()
    for panel in panels():
        assert panel["title"] and panel["description"] and panel["targets"], panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["id"] not in ids, panel["title"]
        ids.add(panel["id"])
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & places and at["x"] + at["w"] <= 24, panel["title"]
        places |= cells
