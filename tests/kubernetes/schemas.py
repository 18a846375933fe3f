"""Whether objects fit what the versions of Kubernetes and the operators beside it accept: their own OpenAPI documents
and CustomResourceDefinitions, read strictly, so that an unknown field is an error."""

import copy
import functools
import json

import jsonschema
import yaml
from kube_tools import module

# The support window, and the one before it.
KUBERNETES = ("1.34.4", "1.35.4", "1.36.3", "1.37.2")
# module, version, files of CustomResourceDefinitions
OPERATORS = (
    ("github.com/prometheus-operator/prometheus-operator", "v0.85.0",
     ("example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml",
      "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml")),
    ("github.com/cert-manager/cert-manager", "v1.21.2", ("deploy/crds/cert-manager.io_certificates.yaml",)),
    ("sigs.k8s.io/gateway-api", "v1.5.0", ("config/crd/standard/gateway.networking.k8s.io_tlsroutes.yaml",)),
)


def strict(schema):
    """Every object with named properties has no others."""
    if isinstance(schema, dict):
        if "properties" in schema and isinstance(schema["properties"], dict) and "additionalProperties" not in schema \
                and not schema.get("x-kubernetes-preserve-unknown-fields"):
            schema["additionalProperties"] = False
        if schema.get("format") == "int-or-string" or schema.get("x-kubernetes-int-or-string"):
            schema.pop("type", None)
        for value in schema.values():
            strict(value)
    elif isinstance(schema, list):
        for value in schema:
            strict(value)
    return schema


@functools.cache
def of_kubernetes(version):
    """Schemas by (group/version, kind), and the definitions that they refer to."""
    document = json.loads((module("k8s.io/kubernetes", f"v{version}") / "api/openapi-spec/swagger.json").read_text())
    definitions = strict(document["definitions"])
    definitions["io.k8s.apimachinery.pkg.api.resource.Quantity"] = {"type": ["string", "number"]}
    kinds = {}
    for name, definition in definitions.items():
        for kind in definition.get("x-kubernetes-group-version-kind", ()):
            kinds["/".join(filter(None, (kind["group"], kind["version"]))), kind["kind"]] = name
    return kinds, definitions


def custom_definitions():
    """The CustomResourceDefinitions as they are."""
    for name, version, files in OPERATORS:
        folder = module(name, version)
        yield from (yaml.safe_load((folder / file).read_text()) for file in files)


@functools.cache
def of_operators():
    kinds = {}
    for definition in custom_definitions():
        spec = definition["spec"]
        for version in spec["versions"]:
            schema = copy.deepcopy(version["schema"]["openAPIV3Schema"])
            schema["properties"]["metadata"] = {"type": "object", "additionalProperties": True}
            kinds[f"{spec['group']}/{version['name']}", spec["names"]["kind"]] = strict(schema)
    return kinds


def faults(found, version):
    """What is wrong with one object under that version, in words; empty where it fits."""
    key = found["apiVersion"], found["kind"]
    kinds, definitions = of_kubernetes(version)
    if key in kinds:
        schema = {"$ref": f"#/definitions/{kinds[key]}", "definitions": definitions}
    elif key in of_operators():
        schema = of_operators()[key]
    else:
        return [f"{key}: no such kind"]
    return [f"{'/'.join(map(str, error.absolute_path))}: {error.message}"
            for error in jsonschema.Draft4Validator(schema).iter_errors(found)]
