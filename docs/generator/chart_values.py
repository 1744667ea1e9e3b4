"""The generated parts of the chart: the pipeline's spec in the schema of its values, and the reference of all values.

The rest of values.schema.json is written by hand. The spec comes from the CRD, so that Helm rejects a wrong field of
`pipeline.spec` by its path, before anything is sent to the cluster. Rules across fields (CEL) are left to the API
server.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import yaml

from generator.markdown import page, table
from speechlocal import paths
from speechoperator.api import crd

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMA = paths.CHART / "values.schema.json"

Schema = dict[str, Any]
Row = tuple[str, str, str, str]
"""A value: its path, type, default and description."""


def values_schema() -> str:
    """Return values.schema.json with the spec of a SpeechPipeline from the current CRD."""
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    definition = crd.manifest()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    members = schema["properties"]["pipeline"]["properties"]
    spec = closed(definition["properties"]["spec"])
    del spec["required"]  # an empty spec is valid without a pipeline; the schema has that rule elsewhere
    members["spec"] = spec | {"description": members["spec"]["description"]}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def closed(schema: Schema) -> Schema:
    """Return a structural schema of Kubernetes as a plain JSON schema that rejects unknown members."""
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


def values_page() -> str:
    """Return the page of all values of the Helm chart."""
    rows = [(f"`{path}`", kind, default, said) for path, kind, default, said in values()]
    return page(
        "Values of the chart",
        "Values of `charts/speechpipeline`, for `--values` and `--set`; unknown values are rejected. Values without\n"
        "default are empty. How to use them: [Install it on Kubernetes](../how-to/install-on-kubernetes.md).",
        table(("Value", "Type", "Default", "Description"), rows),
    )


def values() -> list[Row]:
    """Return all values in the order of the schema, the pipeline's spec as a single one."""
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    return list(_rows(schema, yaml.safe_load((paths.CHART / "values.yaml").read_text(encoding="utf-8")), ""))


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
        return ", ".join(_shown(option) for option in options)
    if items := schema.get("items"):
        return f"list of {items['type']}s"
    if isinstance(more := schema.get("additionalProperties"), dict):
        kinds = more["type"] if isinstance(more["type"], list) else [more["type"]]
        return f"map to {' or '.join(kinds)}s"
    return str(schema["type"])


def _shown(default: Any) -> str:
    """Return a default as Markdown, empty for an empty one."""
    return (
        "" if default in ("", None, [], {}) else f"`{json.dumps(default) if not isinstance(default, str) else default}`"
    )
