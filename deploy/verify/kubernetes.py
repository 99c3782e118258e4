"""Builds ``deploy/kubernetes`` as kubectl does and checks every resource against its schema, the operators' kinds too.

    python deploy/verify/kubernetes.py CRD.yaml...

The files are the custom resource definitions of KEDA (ScaledObject, TriggerAuthentication), of RabbitMQ's cluster
operator (RabbitmqCluster) and of MongoDB's (MongoDBCommunity), from the releases that will run. Needs kubectl.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import yaml

OVERLAY = Path(__file__).parents[1] / "kubernetes/overlays/example"
Schema = dict[str, Any]


def schemas_of(definitions: list[Path]) -> dict[tuple[str, str], Schema]:
    """The schema of each version and kind."""
    found: dict[tuple[str, str], Schema] = {}
    for file in definitions:
        for definition in yaml.safe_load_all(file.read_text()):
            spec = definition["spec"]
            for version in spec["versions"]:
                schema = version["schema"]["openAPIV3Schema"]
                # Kubernetes checks the metadata of every kind itself.
                schema["properties"]["metadata"] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
                found[f"{spec['group']}/{version['name']}", spec["names"]["kind"]] = _closed(schema)
    return found


def _closed(schema: Any) -> Any:
    """The schema, refusing fields that it does not name, as the API server does with ``fieldValidation=Strict``."""
    if isinstance(schema, list):
        return [_closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: _closed(part) for name, part in schema.items()}
    if closed.get("x-kubernetes-int-or-string") is True:
        closed.pop("type", None)
    is_open = closed.get("x-kubernetes-preserve-unknown-fields") is True or "additionalProperties" in closed
    if closed.get("type") == "object" and isinstance(closed.get("properties"), dict) and not is_open:
        closed["additionalProperties"] = False
    return closed


def main(definitions: list[Path]) -> None:
    """Print each resource that is valid; end with an error at the first that is not."""
    built = subprocess.run(["kubectl", "kustomize", str(OVERLAY)], check=True, capture_output=True, text=True)
    of_operators = schemas_of(definitions)
    for resource in yaml.safe_load_all(built.stdout):
        key = resource["apiVersion"], resource["kind"]
        if key in of_operators:
            jsonschema.Draft7Validator(of_operators[key]).validate(resource)
        else:
            kubernetes_validate.validate(resource, "1.37", strict=True)
        print(f"valid: {resource['kind']} {resource['metadata']['name']}")


if __name__ == "__main__":
    main([Path(argument) for argument in sys.argv[1:]])
