"""The chart, rendered: every file of values lints, renders, fits the Kubernetes versions of the support window, and
gives a configuration that kferry accepts; the plain manifests are what it renders."""

import json
import os
import re
import subprocess

import pytest
import yaml
from kube_tools import CHECKOUT, lacking
from rendering import CHART, KUBERNETES, VALUES, by_kind, helm, manifest, objects, plain, template
from schemas import KUBERNETES as VERSIONS
from schemas import faults

pytestmark = pytest.mark.skipif(bool(lacking()), reason=lacking())
NAMES = [path.stem for path in VALUES]
BROKERS = ["--set", "upstream.bootstrapServers={kafka1:9092}"]
each = pytest.mark.parametrize("values", VALUES, ids=NAMES)


def pod_of(text):
    workload = next(one for one in objects(text) if one["kind"] in ("DaemonSet", "Deployment"))
    return workload["spec"]["template"]["spec"]


def refusal(*words):
    status, _, error = helm("template", "kferry", CHART, *words)
    assert status != 0
    return error


@pytest.fixture(scope="module")
def secrets(tmp_path_factory):
    """What the pods' Secrets hold."""
    folder = tmp_path_factory.mktemp("secrets")
    names = ",".join(f"DNS:{name}" for name in ("kferry.kafka.svc.cluster.local", "*.kafka.example.com", "k.example.com",
                                                "*.k.example.com"))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
                    "90", "-subj", "/CN=kferry", "-keyout", folder / "tls.key", "-out", folder / "tls.crt", "-addext",
                    f"subjectAltName={names}"], check=True, capture_output=True)
    (folder / "ca.crt").write_bytes((folder / "tls.crt").read_bytes())
    login = "org.apache.kafka.common.security.scram.ScramLoginModule"
    (folder / "jaas").write_text(f'{login} required username="u" password="p";')
    return folder


def check(configuration, secrets):
    """`kferry check` of what the chart has written."""
    file = secrets / "kferry.toml"
    file.write_text(re.sub(r"/etc/kferry/(?:tls|upstream-ca|upstream-jaas)/", f"{secrets}/", configuration))
    return subprocess.run([os.environ["KFERRY"], "check", "--config", file], text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, env={"PATH": os.environ["PATH"], "HOST_IP": "192.0.2.1"}, check=False)


def test_there_is_a_file_of_values_for_each_variant():
    assert set(NAMES) == {"daemonset", "deployment", "edge", "gateway-api", "io-uring", "outside",
                          "outside-proxy-protocol"}


def test_the_chart_has_the_version_of_kferry():
    version = re.search(r"version: '([^']+)'", (CHECKOUT / "meson.build").read_text())[1]
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (version, version)


@each
def test_the_chart_lints(values):
    status, said, error = helm("lint", "--strict", CHART, "--values", values)
    assert status == 0 and "0 chart(s) failed" in said, said + error


@each
def test_the_plain_manifests_are_what_the_chart_renders(values):
    assert manifest(values).read_text() == plain(values), "run python3 tests/kubernetes/rendering.py"


@each
@pytest.mark.parametrize("version", VERSIONS)
def test_everything_fits_the_schemas(values, version):
    found = objects(template("--values", values, kube_version=version))
    assert {one["kind"] for one in found} >= {"ConfigMap", "NetworkPolicy", "ServiceAccount"}
    wrong = {f"{one['kind']} {one['metadata']['name']}": faults(one, version) for one in found}
    assert {name: told for name, told in wrong.items() if told} == {}


def test_the_schemas_find_a_misspelt_field():
    service = by_kind(template(*BROKERS), "Service")
    service["spec"]["trafficDistributoin"] = "PreferSameNode"
    assert any("trafficDistributoin" in fault for fault in faults(service, VERSIONS[-1]))


@each
def test_kferry_accepts_the_configuration(values, secrets):
    shown = check(by_kind(template("--values", values), "ConfigMap", "kferry")["data"]["kferry.toml"], secrets)
    assert shown.returncode == 0, shown.stdout
    assert "/etc/kferry" not in shown.stdout


@each
def test_pods_are_restricted(values):
    pod = pod_of(template("--values", values))
    profile = {"type": "RuntimeDefault"} if values.stem != "io-uring" else \
        {"type": "Localhost", "localhostProfile": "kferry-io-uring.json"}
    assert pod["securityContext"] == {"runAsNonRoot": True, "runAsUser": 65532, "runAsGroup": 65532, "fsGroup": 65532,
                                      "fsGroupChangePolicy": "OnRootMismatch", "seccompProfile": profile}
    assert pod["automountServiceAccountToken"] is False and pod["enableServiceLinks"] is False
    assert pod["containers"][0]["securityContext"] == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
    assert pod["terminationGracePeriodSeconds"] > 5 + 60
    probes = pod["containers"][0]
    assert probes["readinessProbe"]["httpGet"] == {"path": "/health/serving", "port": "http"}
    assert probes["livenessProbe"]["httpGet"] == {"path": "/health/live", "port": "http"}


def test_the_grace_period_follows_the_drain():
    pod = pod_of(template(*BROKERS, "--set", "limits.lame_duck_s=20,limits.drain_deadline_s=600"))
    assert pod["terminationGracePeriodSeconds"] == 630


def test_by_default_there_is_one_pod_on_each_node_and_a_port_for_each_broker():
    text = template(*BROKERS)
    daemon = by_kind(text, "DaemonSet")
    assert daemon["spec"]["updateStrategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    assert by_kind(text, "PodDisruptionBudget")["spec"]["minAvailable"] == 1
    ports = [(port["name"], port["port"], port["targetPort"]) for port in by_kind(text, "Service")["spec"]["ports"]]
    assert ports == [("kafka-0", 6969, "kafka-0"), ("kafka-1", 6970, "kafka-1"), ("kafka-2", 6971, "kafka-2")]
    policy = by_kind(text, "NetworkPolicy")["spec"]
    assert policy["ingress"][0]["ports"] == [{"protocol": "TCP", "port": 6969, "endPort": 6971}]
    toml = by_kind(text, "ConfigMap")["data"]["kferry.toml"]
    assert 'advertised_host = "kferry.kafka.svc.cluster.local"' in toml and 'ports = "6969-6971"' in toml


@pytest.mark.parametrize("version, preference", [("1.30.0", None), ("1.33.9", "PreferClose"),
                                                 ("1.34.1", "PreferSameNode")])
def test_the_service_prefers_the_own_node_as_far_as_the_cluster_can(version, preference):
    spec = by_kind(template(*BROKERS, kube_version=version), "Service")["spec"]
    assert spec.get("trafficDistribution") == preference


def test_a_deployment_spreads_surges_and_scales():
    text = template("--values", KUBERNETES / "values/deployment.yaml")
    spec = by_kind(text, "Deployment")["spec"]
    assert spec["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    assert "replicas" not in spec
    assert [one["topologyKey"] for one in spec["template"]["spec"]["topologySpreadConstraints"]] == [
        "topology.kubernetes.io/zone", "kubernetes.io/hostname"]
    assert by_kind(text, "PodDisruptionBudget")["spec"]["maxUnavailable"] == 1
    metrics = by_kind(text, "HorizontalPodAutoscaler")["spec"]["metrics"]
    assert [one["type"] for one in metrics] == ["Resource", "Pods"]
    assert metrics[1]["pods"]["metric"]["name"] == "kferry_connections_active"
    certificate = by_kind(text, "Certificate")["spec"]
    assert (certificate["dnsNames"], certificate["secretName"]) == (["kferry.kafka.svc.cluster.local"], "kferry-tls")


def test_at_the_edge_the_node_s_ports_and_address_are_used():
    text = template("--values", KUBERNETES / "values/edge.yaml")
    daemon = by_kind(text, "DaemonSet")["spec"]
    ports = daemon["template"]["spec"]["containers"][0]["ports"]
    assert [port["hostPort"] for port in ports if port["name"] != "http"] == [6969, 6970, 6971]
    assert daemon["updateStrategy"]["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}
    assert 'advertised_host = "${HOST_IP}"' in by_kind(text, "ConfigMap")["data"]["kferry.toml"]
    assert {"name": "HOST_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.hostIP"}}} in \
        daemon["template"]["spec"]["containers"][0]["env"]
    assert not [one for one in objects(text) if one["kind"] == "Service"]


def test_outside_the_balancer_keeps_to_pods_of_its_node():
    spec = by_kind(template("--values", KUBERNETES / "values/outside.yaml"), "Service")["spec"]
    assert (spec["type"], spec["externalTrafficPolicy"]) == ("LoadBalancer", "Local")
    assert spec["loadBalancerSourceRanges"] == ["203.0.113.0/24"]


def test_a_balancer_may_name_clients_by_the_proxy_protocol():
    text = template("--values", KUBERNETES / "values/outside-proxy-protocol.yaml")
    toml = by_kind(text, "ConfigMap")["data"]["kferry.toml"]
    assert 'proxy_protocol = "required"\n' in toml and 'proxy_protocol_from = ["10.0.0.0/16"]\n' in toml
    assert "Pod" not in {one["kind"] for one in objects(text)}  # kferry probe sends no header


def test_a_gateway_passes_the_names_to_one_port():
    text = template("--values", KUBERNETES / "values/gateway-api.yaml")
    route = by_kind(text, "TLSRoute")
    assert route["spec"]["hostnames"] == ["broker.kafka.example.com", "*.kafka.example.com"]
    assert route["spec"]["rules"] == [{"backendRefs": [{"name": "kferry", "port": 9094}]}]
    assert [port["port"] for port in by_kind(text, "Service")["spec"]["ports"]] == [9094]
    assert by_kind(text, "Certificate")["spec"]["dnsNames"] == ["broker.kafka.example.com", "*.kafka.example.com"]


@pytest.mark.parametrize("pattern, bootstrap", [
    ("broker-{{nodeId}}.k.example.com", "broker.k.example.com"),
    ("{{nodeId}}-broker.k.example.com", "broker.k.example.com"),
    ("b{{nodeId}}.k.example.com", "b.k.example.com"), ("{{nodeId}}.k.example.com", "k.example.com")])
def test_chart_and_kferry_derive_one_bootstrap_name(pattern, bootstrap, secrets):
    values = KUBERNETES / "values/gateway-api.yaml"
    text = template("--values", values, "--set-literal", f"listener.advertisedHostPattern={pattern}")
    assert by_kind(text, "TLSRoute")["spec"]["hostnames"] == [bootstrap, "*.k.example.com"]
    shown = check(by_kind(text, "ConfigMap")["data"]["kferry.toml"], secrets)
    assert f"clients bootstrap at {bootstrap}:9094\n" in shown.stdout, shown.stdout


def test_alerts_and_dashboard_are_those_of_the_packages():
    text = template("--values", KUBERNETES / "values/deployment.yaml")
    alerts = yaml.safe_load((CHECKOUT / "packaging/prometheus/alerts.yml").read_text())
    assert by_kind(text, "PrometheusRule")["spec"] == alerts
    dashboard = json.loads((CHECKOUT / "packaging/grafana/kferry.json").read_text())
    assert json.loads(by_kind(text, "ConfigMap", "kferry-dashboard")["data"]["kferry.json"]) == dashboard
    monitor = by_kind(text, "ServiceMonitor")
    metrics = by_kind(text, "Service", "kferry-metrics")["metadata"]["labels"]
    assert monitor["spec"]["selector"]["matchLabels"].items() <= metrics.items()
    assert metrics[monitor["spec"]["jobLabel"]] == "kferry"  # the alerts' job


@pytest.mark.parametrize("words, told", [
    ([], "name the brokers to begin with"),
    ([*BROKERS, "--set", "kind=StatefulSet"], "kind"),
    ([*BROKERS, "--set", "listner.name=x"], "listner"),
    ([*BROKERS, "--set", "kind=Deployment,hostPort=true"], "hostPort: needs kind: DaemonSet"),
    ([*BROKERS, "--set", "autoscaler.enabled=true"], "autoscaler: needs kind: Deployment"),
    ([*BROKERS, "--set", "listener.securityProtocol=SSL"], "SSL and SASL_SSL need a certificate"),
    ([*BROKERS, "--set", "service.enabled=false"], "without a Service kferry has no name"),
    ([*BROKERS, "--set", "listener.routing=sni"], "sni needs the brokers' names"),
    ([*BROKERS, "--set", "tlsRoute.enabled=true"], "tlsRoute: needs listener.routing: sni"),
    (["--set", "upstream.bootstrapServers={kafka1}"], "bootstrapServers"),
    ([*BROKERS, "--set", "seccompLocalhostProfile=/absolute"], "seccompLocalhostProfile"),
], ids=lambda value: value if isinstance(value, str) else "")
def test_what_cannot_work_is_refused(words, told):
    assert told in refusal(*words)


def test_another_configuration_means_other_pods():
    one, other = (by_kind(template(*BROKERS, "--set", f"engine.workers={count}"), "DaemonSet") for count in (1, 2))
    sums = [found["spec"]["template"]["metadata"]["annotations"]["checksum/config"] for found in (one, other)]
    assert sums[0] != sums[1]


def test_what_is_appended_and_set_reaches_the_file(secrets, tmp_path):
    values = tmp_path / "values.yaml"
    values.write_text(yaml.safe_dump({
        "upstream": {"bootstrapServers": ["kafka1:9092"],
                     "settings": {"dial_budget_ms": 8000000, "lend_identity": False}},
        "listener": {"settings": {"ids": "10-12"}}, "extraPorts": [{"name": "other-0", "port": 7001}],
        "extraConfig": '[cluster.other.upstream]\nbootstrap_servers = ["other:9092"]\n\n[cluster.other.listener.second]\n'
                       'ports = "7001"\nadvertised_host = "192.0.2.7"\nsecurity_protocol = "PLAINTEXT"\n'}))
    text = template("--values", values)
    toml = by_kind(text, "ConfigMap")["data"]["kferry.toml"]
    assert "dial_budget_ms = 8000000\n" in toml and "lend_identity = false\n" in toml
    shown = check(toml, secrets)
    assert shown.returncode == 0 and "7001" in shown.stdout, shown.stdout
    assert 7001 in [port["port"] for port in by_kind(text, "Service")["spec"]["ports"]]


def test_the_test_s_pod_probes_the_service():
    pod = by_kind(template("--values", KUBERNETES / "values/gateway-api.yaml"), "Pod")
    assert pod["metadata"]["annotations"]["helm.sh/hook"] == "test"
    assert pod["spec"]["containers"][0]["args"] == ["probe", "--tls", "--server-name", "broker.kafka.example.com",
                                                    "kferry.kafka.svc:9094"]


def test_the_profile_for_io_uring_allows_it():
    profile = json.loads((KUBERNETES / "seccomp/kferry-io-uring.json").read_text())
    allowed = set(profile["syscalls"][0]["names"])
    assert profile["defaultAction"] == "SCMP_ACT_ERRNO"
    assert {"io_uring_setup", "io_uring_enter", "io_uring_register", "splice"} <= allowed
    assert allowed & {"ptrace", "mount", "bpf", "unshare", "setns", "init_module", "keyctl", "process_vm_readv"} == set()
    used = (KUBERNETES / "values/io-uring.yaml").read_text()
    assert "seccompLocalhostProfile: kferry-io-uring.json" in used
