"""Chart and manifests before a real API server: what it admits, into namespaces with which level of Pod Security, and
what it refuses. No controller runs, so each pod is asked for as the controllers would ask for it."""

import subprocess
import sys

import pytest
from kube_tools import CHECKOUT, lacking, program

sys.path.insert(0, str(CHECKOUT / "tests/e2e"))
from control_plane import ControlPlane, Refused  # noqa: E402
from rendering import CHART, VALUES, manifest, objects  # noqa: E402
from schemas import custom_definitions  # noqa: E402

pytestmark = pytest.mark.skipif(bool(lacking()), reason=lacking())
BROKERS = ["--set", "upstream.bootstrapServers={kafka1:9092}"]


@pytest.fixture(scope="module")
def plane(tmp_path_factory):
    made = ControlPlane(tmp_path_factory.mktemp("plane"), controllers=False)
    try:
        for definition in custom_definitions():
            definition.pop("status", None)
            made.apply(definition)
            spec = definition["spec"]
            version = next(one["name"] for one in spec["versions"] if one["served"])
            path = f"/apis/{spec['group']}/{version}/{spec['names']['plural']}"
            made.until(lambda path=path: made.ask("GET", path))
        yield made
    finally:
        made.close()


def applied(plane, values, namespace):
    """The objects of a plain manifest, applied into another namespace."""
    found = objects(manifest(values).read_text())
    for one in found:
        one["metadata"]["namespace"] = namespace
        plane.apply(one)
    return found


def ask_for_pod(plane, template, namespace):
    pod = {"apiVersion": "v1", "kind": "Pod", "spec": template["spec"],
           "metadata": {"name": "asked-for", "labels": template["metadata"].get("labels", {})}}
    return plane.ask("POST", f"/api/v1/namespaces/{namespace}/pods?fieldValidation=Strict", pod)


@pytest.mark.parametrize("values", VALUES, ids=lambda path: path.stem)
def test_pods_are_admitted_where_they_belong(plane, values):
    """All variants but the edge fit into `restricted`; the edge takes ports of the node and needs `privileged`."""
    name = values.stem
    plane.add_namespace(name, "restricted")
    found = applied(plane, values, name)
    template = next(one for one in found if one["kind"] in ("DaemonSet", "Deployment"))["spec"]["template"]
    if name == "edge":
        with pytest.raises(Refused, match="violates PodSecurity.*hostPort"):
            ask_for_pod(plane, template, name)
        name = "edge-privileged"
        plane.add_namespace(name, "privileged")
        applied(plane, values, name)
    pod = ask_for_pod(plane, template, name)
    assert pod["spec"]["securityContext"]["runAsNonRoot"] is True


def helm(plane, *words):
    done = subprocess.run([program("helm"), "--kubeconfig", plane.kubeconfig, *map(str, words)], text=True,
                          capture_output=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_chart_installs_upgrades_and_says_where_clients_begin(plane):
    plane.add_namespace("installed", "restricted")
    said = helm(plane, "install", "kferry", CHART, "--namespace", "installed", *BROKERS)
    assert "Clients bootstrap at kferry.installed.svc.cluster.local:6969" in said
    daemon = plane.ask("GET", "/apis/apps/v1/namespaces/installed/daemonsets/kferry")
    assert daemon["spec"]["updateStrategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    service = plane.ask("GET", "/api/v1/namespaces/installed/services/kferry")
    assert service["spec"]["trafficDistribution"] == "PreferSameNode"
    helm(plane, "upgrade", "kferry", CHART, "--namespace", "installed", *BROKERS, "--set", "image.tag=next")
    daemon = plane.ask("GET", "/apis/apps/v1/namespaces/installed/daemonsets/kferry")
    assert daemon["spec"]["template"]["spec"]["containers"][0]["image"] == "kferry:next"
    helm(plane, "uninstall", "kferry", "--namespace", "installed")


def test_the_pod_of_helm_test_is_admitted(plane):
    plane.add_namespace("tested", "restricted")
    text = helm(plane, "template", "kferry", CHART, "--namespace", "tested", *BROKERS)
    pod = next(one for one in objects(text) if one["kind"] == "Pod")
    assert ask_for_pod(plane, pod, "tested")["spec"]["containers"][0]["args"][0] == "probe"


def test_the_api_server_is_as_strict_as_the_schemas(plane):
    plane.add_namespace("strict", "restricted")
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x", "namespace": "strict"},
               "spec": {"trafficDistributoin": "PreferSameNode", "ports": [{"port": 1}]}}
    with pytest.raises(Refused, match="trafficDistributoin"):
        plane.apply(service)
