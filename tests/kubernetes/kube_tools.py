"""The Go programs that the tests of chart and manifests use, in the versions of tools/go.mod, built once into
build/kubernetes-tools; and the files of other modules, such as the OpenAPI documents of Kubernetes."""

import json
import os
import pathlib
import re
import shutil
import subprocess

CHECKOUT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = CHECKOUT / "build"
HERE = pathlib.Path(__file__).resolve().parent
PROGRAMS = BUILD / "kubernetes-tools"
PLACES = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/go/bin", "/usr/lib/go/bin"])
PACKAGES = {"helm": "helm.sh/helm/v3/cmd/helm", "etcd": "go.etcd.io/etcd/server/v3",
            **{name: f"k8s.io/kubernetes/cmd/{name}"
               for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler")}}
BUILD_S = 5400
# The version that a released one says it has.
KUBERNETES_LINK = " -X k8s.io/component-base/version.gitVersion=v1.36.3"
# What a released Helm assumes of a cluster that it does not ask.
HELM_LINK = "-X helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor=1 -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor=36"


def lacking():
    """Why the programs cannot be built here, or nothing. Go 1.21 and newer fetch the toolchain that go.mod asks for."""
    found = shutil.which("go", path=PLACES)
    if not found:
        return "Go is not installed"
    version = subprocess.run([found, "env", "GOVERSION"], capture_output=True, text=True, check=True, cwd="/").stdout.strip()
    numbers = re.match(r"go(\d+)\.(\d+)", version)
    return "" if numbers and (int(numbers[1]), int(numbers[2])) >= (1, 21) else f"{version} is older than Go 1.21"


def go(*words, timeout=BUILD_S, directory=HERE / "tools"):
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "", "GOTOOLCHAIN": "auto",
                   "GOPATH": str(BUILD / "go"), "GOCACHE": str(BUILD / "go-cache")}
    done = subprocess.run([shutil.which("go", path=PLACES), *map(str, words)], cwd=directory, env=environment, text=True,
                          capture_output=True, timeout=timeout, check=False)
    assert done.returncode == 0, f"go {words[0]}: {done.stderr[-3000:]}"
    return done.stdout


def program(name):
    """The path of one of PACKAGES, built if tools/go.mod is newer."""
    path = PROGRAMS / name
    if not path.exists() or path.stat().st_mtime < (HERE / "tools/go.mod").stat().st_mtime:
        PROGRAMS.mkdir(parents=True, exist_ok=True)
        more = f" {HELM_LINK}" if name == "helm" else KUBERNETES_LINK if name.startswith("kube-") else ""
        go("build", "-trimpath", f"-ldflags=-s -w{more}", "-o", path, PACKAGES[name])
    return path


def module(name, version):
    """The folder of a Go module's files, which may have nothing to do with Go."""
    return pathlib.Path(json.loads(go("mod", "download", "-json", f"{name}@{version}", directory=HERE))["Dir"])
