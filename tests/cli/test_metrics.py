"""/metrics of a running kferry: the text format, the page docs/metrics.md, and what a few samples say."""
import pathlib
import re
import socket

from running import Broker, Kferry, request
from test_health import get, variables, wait_for

ROOT = pathlib.Path(__file__).resolve().parents[2]
SAMPLE = re.compile(r'([a-z_]+)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\.)*",?)+)\})? ([0-9.e+]+|\+Inf|inf)')


def scrape(port):
    """(name, type, labels, help) of each metric, and the samples by name: [({label: value}, number)]."""
    status, body = get(port, "/metrics")
    assert status == 200 and body.endswith("\n")
    rows, samples, helps = {}, {}, {}
    for line in body.splitlines():
        if line.startswith("# HELP "):
            _, _, name, text = line.split(" ", 3)
            assert name not in helps, f"{name} comes twice"
            helps[name] = text
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            rows[name] = (name, kind, None, helps[name])
        else:
            name, labels, number = SAMPLE.fullmatch(line).groups()
            labels = dict(re.findall(r'([a-z_]+)="((?:[^"\\]|\\.)*)"', labels or ""))
            assert rows[name][2] in (None, list(labels)), f"{name} has different labels"
            rows[name] = (*rows[name][:2], list(labels), rows[name][3])
            samples.setdefault(name, []).append((labels, float(number)))
    return list(rows.values()), samples


def documented():
    rows = []
    for line in (ROOT / "docs/metrics.md").read_text().split("\n## ")[0].splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| `"):
            rows.append((cells[0].strip("`"), cells[1], re.findall(r"`([^`]+)`", cells[2]), cells[3]))
    return rows


def test_the_page_and_the_endpoint_have_the_same_metrics(tmp_path):
    with Broker() as broker:
        env = variables(f"127.0.0.1:{broker.port}")
        with Kferry(tmp_path, env):
            port = int(env["GATEWAY_HTTP_PORT"])
            wait_for(port, ("ready", []))
            assert scrape(port)[0] == documented()


def test_samples_follow_what_happens(tmp_path):
    with Broker() as broker:
        broker.brokers = [(0, "127.0.0.1", broker.port), (3, "127.0.0.1", broker.port + 1)]
        env = variables(f"127.0.0.1:{broker.port}")
        with Kferry(tmp_path, env) as kferry:
            port = int(env["GATEWAY_HTTP_PORT"])
            wait_for(port, ("degraded", ["port_clash"]))
            with socket.create_connection(("127.0.0.1", kferry.port), 10) as client:
                client.sendall(request(18, 0))
                assert client.recv(1)
                samples = scrape(port)[1]
                assert samples["kferry_connections_active"] == [({}, 1)]
            assert ({"cluster": "default", "state": "listed"}, 2) in samples["kferry_brokers"]
            assert [labels["reason"] for labels, value in samples["kferry_degraded"] if value] == ["port_clash"]
            assert samples["kferry_draining"] == [({}, 0)]
            assert all(value > 0 for _, value in samples["kferry_worker_turns_total"])
            assert samples["process_open_fds"][0][1] > 10
