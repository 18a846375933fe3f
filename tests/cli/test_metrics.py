"""/metrics of a running kferry: both text formats, the page docs/metrics.md, the golden file, and what a few samples say."""
import pathlib
import re
import shutil
import socket
import subprocess
import time

import pytest

from running import Broker, Kferry, receive, request
from test_health import variables, wait_for

ROOT = pathlib.Path(__file__).resolve().parents[2]
TABLE = ROOT / "src/operations/metrics_table.cc"
GOLDEN = ROOT / "tests/cli/metrics.golden"
LABELS = re.compile(r'([a-z_]+)="((?:[^"\\\n]|\\.)*)"')
SAMPLE = re.compile(r'([a-z_]+)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\.)*",?)+)\})? (-?[0-9.e+-]+|\+Inf)')
OPENMETRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"


def table():
    """(name, type, labels, help) of each row of the code."""
    text = TABLE.read_text()
    rows = re.findall(r'\{Metric::\w+, "([^"]+)", (\w+), "([^"]*)",\s*((?:"[^"]*"\s*)+)\}', text)
    assert len(rows) == text.count("{Metric::")
    return [(name, kind, labels.split(",") if labels else [], "".join(re.findall(r'"([^"]*)"', text)))
            for name, kind, labels, text in rows]


def fetch(port, accept=None):
    """The content type and the page."""
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        line = f"Accept: {accept}\r\n" if accept else ""
        connection.sendall(f"GET /metrics HTTP/1.1\r\nHost: kferry\r\n{line}\r\n".encode())
        answer = b""
        while part := connection.recv(65536):
            answer += part
    head, _, body = answer.decode().partition("\r\n\r\n")
    assert head.startswith("HTTP/1.1 200 ")
    return re.search(r"^Content-Type: (.*)$", head, re.M | re.I)[1].strip(), body


def parse(body):
    """{family: (type, help, unit)} in order, and the samples by name: [({label: value}, number)]."""
    families, samples, family = {}, {}, None
    for line in body.splitlines():
        if line.startswith("# "):
            if line == "# EOF":
                break
            _, what, name, text = line.split(" ", 3)
            if what == "HELP":
                assert name not in families, f"{name} comes twice"
                families[name] = {"help": text}
            assert name == list(families)[-1], f"{line} is not beside its HELP"
            families[name][what.lower()] = text
            family = name
        else:
            name, labels, number = SAMPLE.fullmatch(line).groups()
            assert name.startswith(family), line
            samples.setdefault(name, []).append((dict(LABELS.findall(labels or "")), float(number)))
    for name, those in samples.items():
        assert len({tuple(labels.items()) for labels, _ in those}) == len(those), f"{name} has a series twice"
    return families, samples


def scrape(port):
    return parse(fetch(port)[1])


def documented():
    rows = []
    for line in (ROOT / "docs/metrics.md").read_text().split("\n## ")[0].splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| `"):
            rows.append((cells[0].strip("`"), cells[1], re.findall(r"`([^`]+)`", cells[2]), cells[3]))
    return rows


def test_the_code_the_page_and_the_golden_file_have_the_same_metrics():
    """Names, types and labels are an interface. A change here breaks dashboards and alerts: make it on purpose, say it in
    CHANGELOG.md, and then correct the golden file."""
    assert table() == documented()
    assert [f"{name} {kind} {','.join(labels)}".strip() for name, kind, labels, _ in table()] == \
        GOLDEN.read_text().splitlines()


def check_page(families, samples, openmetrics):
    """What the endpoint gives is in the table, in its order, with its types and labels."""
    rows = {}
    for name, kind, labels, text in table():
        if openmetrics:
            name = name.removesuffix("_total") if kind == "counter" else name.removesuffix("_info")
        elif kind == "info":
            kind = "gauge"
        rows[name] = (kind, labels, text)
    assert [name for name in rows if name in families] == list(families)
    suffixes = {"counter": ["_total"], "info": ["_info"], "histogram": ["_bucket", "_sum", "_count"], "gauge": [""]}
    for name, family in families.items():
        kind, labels, text = rows[name]
        assert (family["type"], family["help"]) == (kind, text)
        names = [name + suffix for suffix in (suffixes[kind] if openmetrics or kind == "histogram" else [""])]
        assert set(names) <= set(samples), name
        for one in names:
            for found, _ in samples[one]:
                assert list(found) == labels + (["le"] if one.endswith("_bucket") else []), one
        if openmetrics:
            assert family.get("unit") == next((unit for unit in ("seconds", "bytes") if name.endswith(unit)), None)


def check_histograms(families, samples):
    """Buckets grow with their bounds, and the last one is the count."""
    seen = 0
    for name in (name for name, family in families.items() if family["type"] == "histogram"):
        counts = {tuple(labels.values()): value for labels, value in samples[name + "_count"]}
        for key, count in counts.items():
            buckets = [(float(labels["le"]), value) for labels, value in samples[name + "_bucket"]
                       if tuple(labels.values())[:-1] == key]
            assert len(buckets) == 13 and buckets == sorted(buckets)
            assert [value for _, value in buckets] == sorted(value for _, value in buckets)
            assert buckets[-1] == (float("inf"), count)
            seen += 1
    return seen


def exchange(kferry, *frames):
    """Sends the frames one by one and awaits an answer to each."""
    with socket.create_connection(("127.0.0.1", kferry.port), 10) as client:
        for frame in frames:
            client.sendall(frame)
            assert client.recv(1)


def test_both_formats_are_as_the_table_says(tmp_path):
    with Broker() as broker:
        env = variables(f"127.0.0.1:{broker.port}")
        with Kferry(tmp_path, env) as kferry:
            port = int(env["GATEWAY_HTTP_PORT"])
            wait_for(port, ("ready", []))
            exchange(kferry, request(18, 0))
            kind, body = fetch(port)
            assert kind == "text/plain; version=0.0.4; charset=utf-8" and "# EOF" not in body and "# UNIT" not in body
            check_page(*parse(body), openmetrics=False)
            kind, body = fetch(port, OPENMETRICS)
            assert kind == "application/openmetrics-text; version=1.0.0; charset=utf-8" and body.endswith("\n# EOF\n")
            assert body.count("# EOF") == 1 and "\n\n" not in body
            check_page(*parse(body), openmetrics=True)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (Debian: prometheus)")
def test_promtool_accepts_the_page(tmp_path):
    with Broker() as broker:
        env = variables(f"127.0.0.1:{broker.port}")
        with Kferry(tmp_path, env) as kferry:
            port = int(env["GATEWAY_HTTP_PORT"])
            wait_for(port, ("ready", []))
            exchange(kferry, request(18, 0))
            done = subprocess.run(["promtool", "check", "metrics"], input=fetch(port)[1], capture_output=True, text=True,
                                  timeout=60)
            assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def one(samples, name, **labels):
    """The value of the series of this name that has these labels; the sum, where there are several. None without such a series."""
    found = [value for has, value in samples.get(name, []) if labels.items() <= has.items()]
    return sum(found) if found else None


def eventually(port, what):
    """The samples, once `what` holds of them."""
    deadline = time.monotonic() + 20
    while True:
        samples = scrape(port)[1]
        if what(samples):
            return samples
        assert time.monotonic() < deadline, samples
        time.sleep(0.05)


def test_samples_follow_what_happens(tmp_path):
    with Broker() as broker:
        broker.brokers = [(0, "127.0.0.1", broker.port), (3, "127.0.0.1", broker.port + 1)]
        env = variables(f"127.0.0.1:{broker.port}")
        with Kferry(tmp_path, env) as kferry:
            port = int(env["GATEWAY_HTTP_PORT"])
            wait_for(port, ("degraded", ["port_clash"]))
            # With the connection of Kferry's start.
            before = eventually(port, lambda now: one(now, "kferry_connections_closed_total") >= 1)
            with socket.create_connection(("127.0.0.1", kferry.port), 10) as client:
                client.sendall(request(18, 0) + request(3, 1, b"\xff\xff\xff\xff"))
                receive(client)
                receive(client)
                samples = eventually(port, lambda now: one(now, "kferry_requests_in_flight") == 0)
                here = {"cluster": "default", "listener": "external"}
                assert one(samples, "kferry_connections_active", **here, node="0") == 1
                assert one(samples, "kferry_connections_total", **here) == one(before, "kferry_connections_total", **here) + 1
                assert one(samples, "kferry_requests_total", **here, api="ApiVersions", version="0") == 1
                assert one(samples, "kferry_requests_total", **here, api="Metadata", version="1") == 1
                assert one(samples, "kferry_bytes_total", **here, node="0", direction="to_broker") == 15 + 19
                assert one(samples, "kferry_rewrites_total", api="Metadata") == 1
                assert one(samples, "kferry_addresses_withheld_total", api="Metadata") == 1
                assert one(samples, "kferry_dials_total", node="0", outcome="connected") == 1
                assert one(samples, "kferry_dial_duration_seconds_count", cluster="default") == 1
                for part in ("kferry", "broker", "client"):
                    assert one(samples, "kferry_request_duration_seconds_count", **here, api="Metadata", part=part) == 1
            closed = eventually(port, lambda now: one(now, "kferry_connections_active", **here) == 0)
            grown = one(closed, "kferry_connections_closed_total", cause="client_closed") - \
                one(before, "kferry_connections_closed_total", cause="client_closed")
            assert grown == 1
            assert one(closed, "kferry_connections_closed_total") == one(closed, "kferry_connections_total")
            assert check_histograms(*scrape(port)) == 7
            assert one(samples, "kferry_brokers", cluster="default", state="listed") == 2
            assert one(samples, "kferry_ports", **here, state="used") == 1
            assert one(samples, "kferry_ports", **here, state="clashing") == 1
            assert 0 <= one(samples, "kferry_topology_age_seconds", cluster="default") < 60
            assert [labels["reason"] for labels, value in samples["kferry_degraded"] if value] == ["port_clash"]
            assert samples["kferry_draining"] == [({}, 0)] and samples["kferry_log_dropped_total"] == [({}, 0)]
            assert all(value > 0 for _, value in samples["kferry_worker_turns_total"])
            assert one(samples, "kferry_receive_buffers", state="free") > 0
            assert samples["process_open_fds"][0][1] > 10


def test_a_connection_without_a_byte_is_a_probe(tmp_path):
    env = variables()
    with Kferry(tmp_path, env) as kferry:  # which begins with one such connection
        port = int(env["GATEWAY_HTTP_PORT"])
        for _ in range(3):
            socket.create_connection(("127.0.0.1", kferry.port), 10).close()
        eventually(port, lambda now: one(now, "kferry_probes_total") == 4 and one(now, "kferry_connections_active") == 0)
        with socket.create_connection(("127.0.0.1", kferry.port), 10) as client:
            client.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert client.recv(1) == b""
        samples = eventually(port, lambda now: one(now, "kferry_connections_closed_total", cause="refused_protocol") == 1)
        assert one(samples, "kferry_probes_total") == 4
