"""What of the chart is generated: the pipeline's spec within the schema of its values, and the page of all values.

The rest of values.schema.json is written by hand. The spec comes from the definition of the custom resource, so that
Helm refuses a wrong field of `pipeline.spec` by its path, before anything is sent to the cluster. Rules across fields
(CEL) stay with the API server.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import yaml

from speechlocal import paths
from speechoperator.api import crd

if TYPE_CHECKING:
    from collections.abc import Iterator

CHART = paths.REPOSITORY / "charts" / "speechpipeline"
SCHEMA = CHART / "values.schema.json"

Schema = dict[str, Any]
Row = tuple[str, str, str, str]
"""A value: its path, type, default and description."""


def values_schema() -> str:
    """Return values.schema.json as it stands, with the spec of a SpeechPipeline as it is defined now."""
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    definition = crd.manifest()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    members = schema["properties"]["pipeline"]["properties"]
    spec = closed(definition["properties"]["spec"])
    del spec["required"]  # an empty spec is fine while there is no pipeline; the schema says so beside it
    members["spec"] = spec | {"description": members["spec"]["description"]}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def closed(schema: Schema) -> Schema:
    """Return a structural schema of Kubernetes as a plain JSON schema that refuses unknown members."""
    plain = {
        key: value for key, value in schema.items() if not key.startswith("x-") and key not in {"format", "default"}
    }
    if schema.get("x-kubernetes-int-or-string"):
        plain["type"] = ["integer", "string"]
    if "properties" in plain:
        plain["properties"] = {name: closed(member) for name, member in plain["properties"].items()}
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            plain["additionalProperties"] = False
    for inner in ("items", "additionalProperties"):
        if isinstance(plain.get(inner), dict):
            plain[inner] = closed(plain[inner])
    return plain


def values() -> list[Row]:
    """Return all values in the order of the schema, the pipeline's spec as one."""
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    return list(_rows(schema, yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8")), ""))


def _rows(schema: Schema, defaults: Any, path: str) -> Iterator[Row]:
    for name, member in schema["properties"].items():
        inner = f"{path}{name}"
        default = defaults.get(name) if isinstance(defaults, dict) else None
        if "properties" in member and inner != "pipeline.spec":
            yield from _rows(member, default, f"{inner}.")
        else:
            yield inner, _kind(member), _shown(default), member["description"]


def _kind(schema: Schema) -> str:
    if options := schema.get("enum"):
        return ", ".join(f"`{option}`" for option in options)
    if items := schema.get("items"):
        return f"list of {items['type']}s"
    if isinstance(more := schema.get("additionalProperties"), dict):
        kinds = more["type"] if isinstance(more["type"], list) else [more["type"]]
        return f"map to {' or '.join(kinds)}s"
    return str(schema["type"])


def _shown(default: Any) -> str:
    """Return a default as one would write it; empty ones say nothing."""
    return (
        "" if default in ("", None, [], {}) else f"`{json.dumps(default) if not isinstance(default, str) else default}`"
    )
