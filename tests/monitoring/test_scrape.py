"""Debian's Prometheus scrapes a running kferry under load, and every query of the dashboard and of the alerts gives data.

Needs the built binary's path in KFERRY, and prometheus and openssl.
"""
import json
import pathlib
import ssl
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "cli"))
from queries import ALERTS, alerts, filled, panels
from running import Broker, Kferry, free_port, receive, request

CONFIG = """
[operations]
bind = "127.0.0.1:{http}"
[cluster.orders.upstream]
bootstrap_servers = ["127.0.0.1:{bootstrap}"]
[cluster.orders.listener.plain]
ports = "{port}-{last}"
advertised_host = "127.0.0.1"
security_protocol = "PLAINTEXT"
[cluster.orders.listener.secure]
ports = "{secure}-{secure_last}"
advertised_host = "127.0.0.1"
security_protocol = "SSL"
tls = {{ certificate = "{store}" }}
"""
PROMETHEUS = """
global:
  scrape_interval: 1s
  evaluation_interval: 1s
rule_files: ["{alerts}"]
scrape_configs:
  - job_name: kferry
    static_configs:
      - targets: ["127.0.0.1:{http}"]
"""


def ask(prometheus, query):
    """The result of an instant query."""
    where = f"http://127.0.0.1:{prometheus}/api/v1/query?" + urllib.parse.urlencode({"query": query})
    with urllib.request.urlopen(where, timeout=10) as answer:
        return json.load(answer)["data"]["result"]


class Load:
    """Clients of every kind: those that ask over plaintext and over TLS, one that leaves before its answer, and strangers."""

    def __init__(self, port, secure):
        self.port, self.secure, self.over = port, secure, threading.Event()
        self.tls = ssl.create_default_context()
        self.tls.check_hostname, self.tls.verify_mode = False, ssl.CERT_NONE
        for deed in (self.asks, self.asks_over_tls, self.stays, self.leaves, self.is_a_stranger):
            threading.Thread(target=self.again_and_again, args=(deed,), daemon=True).start()

    def again_and_again(self, deed):
        while not self.over.is_set():
            try:
                deed()
            except (OSError, EOFError):
                pass
            time.sleep(0.05)

    @staticmethod
    def converse(client):
        for _ in range(5):
            for frame in (request(18, 0), request(3, 4, b"\xff\xff\xff\xff\1")):
                client.sendall(frame)
                receive(client)

    def asks(self):
        with socket.create_connection(("127.0.0.1", self.port), 5) as client:
            self.converse(client)

    def asks_over_tls(self):
        with socket.create_connection(("127.0.0.1", self.secure), 5) as plain, self.tls.wrap_socket(plain) as client:
            self.converse(client)

    def stays(self):
        with socket.create_connection(("127.0.0.1", self.port), 5) as client:
            while not self.over.is_set():
                self.converse(client)
                time.sleep(0.1)

    def leaves(self):
        with socket.create_connection(("127.0.0.1", self.port), 5) as client:
            client.sendall(request(18, 0) + request(3, 4, b"\xff\xff\xff\xff\1"))

    def is_a_stranger(self):
        for first in (b"", b"GET / HTTP/1.1\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", self.port), 5) as client:
                client.sendall(first)


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory):
    """The port of a Prometheus that has scraped a kferry under load for a while."""
    folder = tmp_path_factory.mktemp("scrape")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                    "-keyout", "key.pem", "-out", "cert.pem", "-subj", "/CN=kferry", "-addext", "subjectAltName=IP:127.0.0.1"],
                   cwd=folder, check=True, capture_output=True)
    (folder / "store.pem").write_text((folder / "cert.pem").read_text() + (folder / "key.pem").read_text())
    port, secure, http, own = free_port(), free_port(), free_port(1), free_port(1)
    with Broker() as broker:
        broker.brokers += [(0, "127.0.0.1", broker.port), (99_999_999, "127.0.0.1", broker.port)]
        (folder / "kferry.toml").write_text(CONFIG.format(http=http, bootstrap=broker.port, port=port, last=port + 2,
                                                          secure=secure, secure_last=secure + 2, store=folder / "store.pem"))
        (folder / "prometheus.yml").write_text(PROMETHEUS.format(alerts=ALERTS, http=http))
        with Kferry(folder, {"GATEWAY_LISTENER_EXTERNAL_PORTS": str(port)},
                    words=("run", "--config", str(folder / "kferry.toml"))):
            with open(folder / "prometheus.log", "wb") as log:
                process = subprocess.Popen(["prometheus", f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder}",
                                            f"--web.listen-address=127.0.0.1:{own}"], stdout=log, stderr=log)
            load = Load(port, secure)
            try:
                deadline = time.monotonic() + 60
                while True:
                    try:
                        if ask(own, 'count_over_time(up{job="kferry"}[1m]) > 10 and up == 1'):
                            break
                    except OSError:
                        assert process.poll() is None, (folder / "prometheus.log").read_text()
                    assert time.monotonic() < deadline, (folder / "prometheus.log").read_text()
                    time.sleep(0.2)
                yield own
            finally:
                load.over.set()
                process.terminate()
                process.wait(20)


@pytest.mark.parametrize("title,query", [(f"{panel['title']} {target['refId']}", filled(target["expr"]))
                                         for panel in panels() for target in panel["targets"]])
def test_a_panel_has_data(prometheus, title, query):
    result = ask(prometheus, query)
    assert result, f"{title}: {query}"
    assert any(series["value"][1] != "NaN" for series in result), (query, result)


def test_alerts_are_evaluated(prometheus):
    with urllib.request.urlopen(f"http://127.0.0.1:{prometheus}/api/v1/rules", timeout=10) as answer:
        groups = json.load(answer)["data"]["groups"]
    rules = {rule["name"]: rule for group in groups for rule in group["rules"]}
    assert rules.keys() == {rule["alert"] for rule in alerts()}
    assert all(rule["health"] == "ok" for rule in rules.values()), rules


def test_a_healthy_kferry_fires_nothing(prometheus):
    firing = [alert["metric"] for alert in ask(prometheus, 'ALERTS{alertstate="firing"}')]
    assert not firing
