"""Helm's output, and the plain manifests made of it: one file in packaging/kubernetes/manifests for each in values.

    python3 tests/kubernetes/rendering.py      writes them anew
"""

import pathlib
import re
import subprocess

import yaml
from kube_tools import CHECKOUT, program

KUBERNETES = CHECKOUT / "packaging/kubernetes"
CHART = KUBERNETES / "chart"
VALUES = sorted((KUBERNETES / "values").glob("*.yaml"))
NEWEST = "1.36.3"
# What is true of Helm's installations alone.
OF_HELM = re.compile(r"^ *(?:# Source: .*|helm\.sh/chart: .*|app\.kubernetes\.io/managed-by: Helm)\n", re.MULTILINE)


def helm(*words):
    """helm(...): status, standard output, standard error."""
    done = subprocess.run([program("helm"), *map(str, words)], text=True, capture_output=True, timeout=120, check=False)
    return done.returncode, done.stdout, done.stderr


def template(*words, namespace="kafka", kube_version=NEWEST):
    """The text of all manifests."""
    status, text, error = helm("template", "kferry", CHART, "--namespace", namespace, "--kube-version", kube_version,
                               *words)
    assert status == 0, error
    return text


def objects(text):
    return [found for found in yaml.safe_load_all(text) if found]


def by_kind(text, kind, name=None):
    found = [one for one in objects(text) if one["kind"] == kind and name in (None, one["metadata"]["name"])]
    assert len(found) == 1, f"{kind}: {len(found)}"
    return found[0]


def plain(values):
    """The manifests for `kubectl apply` from a file of values."""
    text = OF_HELM.sub("", template("--values", values, "--skip-tests", "--no-hooks"))
    return (f"# Made from ../chart and ../values/{values.name} by tests/kubernetes/rendering.py: change those.\n"
            f"# Replace the example names of brokers and hosts, and the namespace kafka.\n{text}")


def manifest(values):
    return KUBERNETES / "manifests" / values.name


if __name__ == "__main__":
    for values_file in VALUES:
        pathlib.Path(manifest(values_file)).write_text(plain(values_file))
