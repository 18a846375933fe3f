"""A control plane of Kubernetes on this host: etcd, kube-apiserver, kube-controller-manager and kube-scheduler, as they
are released, with nodes that only seem to run pods.

Everything listens on loopback. One thread is the kubelet of all nodes: it looks at the pods four times a second, says of
each that has a node that its containers run and are ready, and removes those that are deleted.
"""

import json
import pathlib
import secrets
import socket
import ssl
import subprocess
import threading
import urllib.error
import urllib.request

import yaml
from kube_tools import program
from lab.processes import Process

START_S = 300
KUBELET_S = 0.25
# Where the objects of a kind are. Those of the operators come with their CustomResourceDefinitions.
CLUSTER_WIDE = {"Namespace", "Node", "CustomResourceDefinition"}
PLURALS = {"NetworkPolicy": "networkpolicies"}


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


class Refused(Exception):
    """The answer of the API server to what it does not accept."""


class ControlPlane:
    """With `controllers`, pods are made, scheduled and seem to run; without them the API server alone answers."""

    def __init__(self, directory, controllers):
        self._controllers = controllers
        self.directory = pathlib.Path(directory)
        self._token, self.url = secrets.token_hex(16), f"https://127.0.0.1:{free_port()}"
        self._processes, self._ended = [], threading.Event()
        self._kubelet = threading.Thread(target=self._run_pods, name="kubelets")
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    def _start(self):
        clients, peers = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
        self._run("etcd", "--data-dir", self.directory / "etcd", "--listen-client-urls", clients,
                  "--advertise-client-urls", clients, "--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers,
                  "--initial-cluster", f"default={peers}", "--unsafe-no-fsync", ready=r"ready to serve client requests")
        key = self.directory / "service-accounts.key"
        subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
        tokens = self.directory / "tokens.csv"
        tokens.write_text(f"{self._token},admin,admin,system:masters\n")
        self._run("kube-apiserver", "--etcd-servers", clients, "--secure-port", self.url.rpartition(":")[2],
                  "--bind-address", "127.0.0.1", "--cert-dir", self.directory / "certificates",
                  "--token-auth-file", tokens, "--authorization-mode", "RBAC", "--service-account-issuer", "https://kubernetes.default.svc",
                  "--service-account-key-file", key, "--service-account-signing-key-file", key,
                  "--service-cluster-ip-range", "10.96.0.0/16")
        self._until(lambda: self.ask("GET", "/readyz", raw=True) == "ok")
        self.kubeconfig = self.directory / "kubeconfig"
        self.kubeconfig.write_text(yaml.safe_dump({
            "apiVersion": "v1", "kind": "Config", "current-context": "here",
            "clusters": [{"name": "here", "cluster": {"server": self.url, "insecure-skip-tls-verify": True}}],
            "users": [{"name": "admin", "user": {"token": self._token}}],
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": "admin"}}]}))
        if self._controllers:
            self._start_controllers(key)

    def _start_controllers(self, key):
        for name, more in (("kube-controller-manager", ["--service-account-private-key-file", key,
                                                        "--node-monitor-grace-period", "24h"]), ("kube-scheduler", [])):
            self._run(name, "--kubeconfig", self.kubeconfig, "--leader-elect=false", "--secure-port", free_port(),
                      "--bind-address", "127.0.0.1", "--cert-dir", self.directory / name, *more)
        self._kubelet.start()

    def _run(self, name, *words, ready=None):
        process = Process([program(name), *map(str, words)], self.directory / f"{name}.log")
        self._processes.append(process)
        if ready:
            process.wait_for_line(ready, START_S)

    def _until(self, condition, seconds=START_S):
        """Polls: the API server has no other sign of its readiness."""
        for _ in range(int(seconds / KUBELET_S)):
            try:
                if condition():
                    return
            except (OSError, Refused):
                pass
            assert not self._ended.wait(KUBELET_S)
        raise AssertionError(f"not so within {seconds} s")

    def ask(self, method, path, body=None, kind="application/json", raw=False):
        """What the API server answers; Refused if it is an error."""
        trusting = ssl.create_default_context()
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        request = urllib.request.Request(
            self.url + path, method=method, data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self._token}", "Content-Type": kind})
        try:
            with urllib.request.urlopen(request, timeout=60, context=trusting) as answer:
                text = answer.read().decode()
        except urllib.error.HTTPError as refusal:
            text = refusal.read().decode()
            message = json.loads(text).get("message", text) if text.startswith("{") else text
            raise Refused(message) from refusal
        return text if raw else json.loads(text)

    @staticmethod
    def path(found):
        """Where an object is."""
        group, kind, meta = found["apiVersion"], found["kind"], found["metadata"]
        root = f"/api/{group}" if "/" not in group else f"/apis/{group}"
        within = "" if kind in CLUSTER_WIDE else f"/namespaces/{meta['namespace']}"
        return f"{root}{within}/{PLURALS.get(kind, kind.lower() + 's')}/{meta['name']}"

    def apply(self, found):
        """Server-side apply, strict: an unknown field is an error."""
        return self.ask("PATCH", f"{self.path(found)}?fieldManager=tests&force=true&fieldValidation=Strict", found,
                        "application/apply-patch+yaml")

    def add_namespace(self, name, level):
        """One that enforces a level of Pod Security."""
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {
            "name": name, "labels": {"pod-security.kubernetes.io/enforce": level}}})
        self.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": name}})

    def add_node(self, name, labels=None):
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": {
            "kubernetes.io/hostname": name, "topology.kubernetes.io/zone": f"zone-{name}", **(labels or {})}}}
        self.apply(node)
        room = {"cpu": "8", "memory": "16Gi", "pods": "110"}
        self.ask("PATCH", f"{self.path(node)}/status", {"status": {
            "capacity": room, "allocatable": room, "addresses": [{"type": "InternalIP", "address": "192.0.2.1"}],
            "conditions": [{"type": "Ready", "status": "True", "reason": "Here", "message": "seems to run",
                            "lastHeartbeatTime": "2026-01-01T00:00:00Z", "lastTransitionTime": "2026-01-01T00:00:00Z"}]}},
            "application/strategic-merge-patch+json")
        taint = self.ask("GET", self.path(node))["spec"].get("taints", [])
        if any(one["key"] == "node.kubernetes.io/not-ready" for one in taint):
            self.ask("PATCH", self.path(node), {"spec": {"taints": []}}, "application/merge-patch+json")

    def pods(self, namespace):
        return self.ask("GET", f"/api/v1/namespaces/{namespace}/pods")["items"]

    def until(self, condition, seconds=120):
        self._until(condition, seconds)

    def _run_pods(self):
        while not self._ended.wait(KUBELET_S):
            try:
                pods = self.ask("GET", "/api/v1/pods")["items"]
            except (OSError, Refused):
                continue
            for pod in pods:
                try:
                    self._run_pod(pod)
                except (OSError, Refused):
                    pass  # it has changed meanwhile: the next look sees how

    def _run_pod(self, pod):
        path = f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"
        if not pod["spec"].get("nodeName"):
            return
        if pod["metadata"].get("deletionTimestamp"):
            self.ask("DELETE", f"{path}?gracePeriodSeconds=0")
        elif pod["status"].get("phase") == "Pending":
            done = pod["spec"]["restartPolicy"] == "Never"  # what runs once has run
            now = "2026-01-01T00:00:00Z"
            state = {"terminated": {"exitCode": 0, "reason": "Completed", "startedAt": now, "finishedAt": now}} if done \
                else {"running": {"startedAt": now}}
            conditions = [{"type": kind, "status": "True", "lastTransitionTime": now}
                          for kind in ("Initialized", "ContainersReady", "Ready")]
            self.ask("PATCH", f"{path}/status", {"status": {
                "phase": "Succeeded" if done else "Running", "podIP": "198.51.100.1", "startTime": now,
                "conditions": conditions, "containerStatuses": [
                    {"name": one["name"], "image": one["image"], "imageID": "x", "ready": not done, "restartCount": 0,
                     "state": state} for one in pod["spec"]["containers"]]}}, "application/strategic-merge-patch+json")

    def close(self):
        self._ended.set()
        if self._kubelet.is_alive():
            self._kubelet.join()
        for process in reversed(self._processes):
            process.kill()
