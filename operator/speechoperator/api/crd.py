"""The CustomResourceDefinition, generated from the models; printed by `python -m speechoperator crd`.

pydantic produces a JSON schema; the API server requires a structural one, without references and nulls:
https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema
"""

from __future__ import annotations

import re
from importlib import metadata
from typing import Any

import yaml

from speechoperator.api import GROUP, KIND, PLURAL, VERSION, Spec, SpeechPipeline
from speechoperator.api.status import Status
from speechoperator.api.values import PIPELINE_NAME

VERSION_ANNOTATION = "speechpipeline.dev/version"
"""The version of this project that the CRD is from. An older version does not replace it."""

_NOTICE = "# Written by `make docs` from operator/speechoperator/api.\n"
_READY = '.status.conditions[?(@.type=="Ready")]'
_COLUMNS: tuple[tuple[str, str, str, str], ...] = (
    ("Ready", "string", f"{_READY}.status", "Whether the pipeline is ready to serve requests."),
    (
        "Whisper",
        "string",
        ".status.whisper.summary",
        "Ready and desired replicas of Whisper, and the download of its model.",
    ),
    ("Ollama", "string", ".status.ollama.summary", "Ready and desired replicas of Ollama."),
    ("Models", "string", ".status.modelsSummary", "Ready and total language models, and the pull in progress."),
    ("URL", "string", ".status.url", "URL of the bridge."),
    ("Age", "date", ".metadata.creationTimestamp", "Time since creation."),
    ("Message", "string", f"{_READY}.message", "Message of the condition Ready."),
)
_WIDE = {"Message"}

Schema = dict[str, Any]


def manifest() -> Schema:
    """Return the CustomResourceDefinition as JSON."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{PLURAL}.{GROUP}",
            "labels": {"app.kubernetes.io/name": "speechpipeline"},
            "annotations": {VERSION_ANNOTATION: metadata.version("speechpipeline")},
        },
        "spec": {
            "group": GROUP,
            "names": {
                "kind": KIND,
                "listKind": f"{KIND}List",
                "plural": PLURAL,
                "singular": KIND.lower(),
                "shortNames": ["sp"],
                "categories": ["all"],
            },
            "scope": "Namespaced",
            "versions": [_version()],
        },
    }


def newer_version(live: Schema) -> str | None:
    """Return the version that a CRD in the cluster is from, if that is newer than this one; else None."""
    found = str((live.get("metadata", {}).get("annotations") or {}).get(VERSION_ANNOTATION, ""))
    return found if _numbers(found) > _numbers(metadata.version("speechpipeline")) else None


def _numbers(version: str) -> tuple[int, ...]:
    """Return major, minor and patch of a version; nothing for any other text."""
    found = re.match(r"(\d+)\.(\d+)\.(\d+)", version, re.ASCII)
    return tuple(map(int, found.groups())) if found else ()


def render() -> str:
    """Return the CustomResourceDefinition as YAML."""
    return _NOTICE + yaml.dump(manifest(), Dumper=PlainDumper, sort_keys=False, width=120, allow_unicode=True)


class PlainDumper(yaml.SafeDumper):
    """Writes YAML without anchors and aliases."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - the signature of yaml
        """Return True: repeat values instead."""
        return True


def _version() -> Schema:
    return {
        "name": VERSION,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": _object()},
        "subresources": {
            "status": {},
            "scale": {
                "specReplicasPath": ".spec.bridge.replicas",
                "statusReplicasPath": ".status.bridge.replicas",
                "labelSelectorPath": ".status.bridge.selector",
            },
        },
        "additionalPrinterColumns": [
            {"name": name, "type": kind, "jsonPath": path, "description": description}
            | ({"priority": 1} if name in _WIDE else {})
            for name, kind, path, description in _COLUMNS
        ],
    }


def _object() -> Schema:
    spec, status = Spec.model_json_schema(), Status.model_json_schema()
    return {
        "description": SpeechPipeline.__doc__,
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string", "description": f"{GROUP}/{VERSION}."},
            "kind": {"type": "string", "description": f"{KIND}."},
            "metadata": {"type": "object", "properties": {"name": {"type": "string"}}},
            "spec": structural(spec, spec["$defs"]),
            "status": structural(status, status["$defs"]),
        },
        "x-kubernetes-validations": [
            {
                "rule": PIPELINE_NAME.cel("self.metadata.name"),
                "message": PIPELINE_NAME.message,
                "fieldPath": ".metadata.name",
            }
        ],
    }


def structural(schema: Schema, definitions: Schema) -> Schema:
    """Convert a JSON schema of pydantic to a structural schema.

    Defaults of scalars are kept. Defaults of objects are dropped, since the API server would fill them in and they
    could not be told apart from what the user set. The description states every default.
    """
    whole = _resolved(schema, definitions)
    default = whole.pop("default", None)
    documented = whole.pop("x-documented-default", default)
    kept = {key: whole[key] for key in sorted(whole, key=_place) if key not in {"title", "$defs", "const"}}
    if not isinstance(documented, dict | list | tuple | None):
        kept["description"] = f"{kept['description']} Default: {_shown(documented)}."
    if "properties" in kept:
        kept["properties"] = {name: structural(member, definitions) for name, member in kept["properties"].items()}
    for inner in ("items", "additionalProperties"):
        if isinstance(kept.get(inner), dict):
            kept[inner] = structural(kept[inner], definitions)
    if isinstance(default, str | int) or (default == {} and "properties" in kept):
        kept["default"] = default
    return kept


def _resolved(schema: Schema, definitions: Schema) -> Schema:
    """Inline the reference of a schema, keeping its own description, and drop null from its types."""
    if "$ref" in schema:
        own = {key: value for key, value in schema.items() if key != "$ref"}
        return _resolved(definitions[schema["$ref"].rpartition("/")[2]], definitions) | own
    options = [option for option in schema.get("anyOf", ()) if option != {"type": "null"}]
    if len(options) == 1:
        own = {key: value for key, value in schema.items() if key != "anyOf"}
        return _resolved(options[0], definitions) | own
    return dict(schema)


def _place(key: str) -> tuple[int, str]:
    """Return the sort key of a schema member: description and type first."""
    first = ("description", "type", "format", "enum", "required", "properties", "items", "additionalProperties")
    return (first.index(key), "") if key in first else (len(first), key)


def _shown(default: object) -> str:
    return str(default).lower() if isinstance(default, bool) else str(default)
