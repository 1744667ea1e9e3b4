"""The CRD as a document: complete, current, and in the form required by the API server."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from speechoperator.api import crd

pytestmark = pytest.mark.unit

FILE = Path(__file__).resolve().parents[3] / "charts" / "speechpipeline" / "crds" / "speechpipelines.yaml"

Schema = dict[str, Any]


def version() -> Schema:
    found: Schema = crd.manifest()["spec"]["versions"][0]
    return found


def root() -> Schema:
    found: Schema = version()["schema"]["openAPIV3Schema"]
    return found


def inner(path: str, schema: Schema) -> Iterator[tuple[str, Schema]]:
    """All schemas within a schema, by path; list items as `[]`, map values as `{}`."""
    for name, member in schema.get("properties", {}).items():
        yield f"{path}.{name}", member
        yield from inner(f"{path}.{name}", member)
    for key, mark in (("items", "[]"), ("additionalProperties", "{}")):
        if key in schema:
            yield path + mark, schema[key]
            yield from inner(path + mark, schema[key])


def spec_and_status() -> dict[str, Schema]:
    return {path: schema for path, schema in inner("", root()) if path.startswith((".spec", ".status"))}


def test_the_crd_in_the_chart_is_current() -> None:
    assert FILE.read_text(encoding="utf-8") == crd.render(), "run 'make docs'"


def test_the_yaml_is_the_manifest() -> None:
    assert yaml.safe_load(crd.render()) == crd.manifest()
    assert "&id" not in crd.render(), "no YAML anchors"


@pytest.mark.parametrize(
    ("found", "newer"),
    [
        ({}, None),
        ({"annotations": None}, None),
        ({"annotations": {crd.VERSION_ANNOTATION: "0.0.9"}}, None),
        ({"annotations": {crd.VERSION_ANNOTATION: "garbage"}}, None),
        ({"annotations": {crd.VERSION_ANNOTATION: "99.0.0"}}, "99.0.0"),
        ({"annotations": {crd.VERSION_ANNOTATION: "0.100.0-rc.1"}}, "0.100.0-rc.1"),
    ],
)
def test_a_crd_of_a_newer_version_is_recognized(found: Schema, newer: str | None) -> None:
    assert crd.newer_version({"metadata": found}) == newer
    assert crd.newer_version(crd.manifest()) is None


def test_every_field_has_a_description() -> None:
    fields = {path: schema for path, schema in spec_and_status().items() if not path.endswith(("[]", "{}"))}

    undescribed = [path for path, schema in fields.items() if not schema.get("description", "").endswith(".")]

    assert undescribed == []


def test_every_optional_field_documents_its_default() -> None:
    undocumented = [
        f"{path}.{name}"
        for path, schema in spec_and_status().items()
        if path.startswith(".spec")
        for name, member in schema.get("properties", {}).items()
        if name not in schema.get("required", ())
        and not map_or_list(member)
        and member.get("default") != {}
        and not any(word in member["description"] for word in ("Default: ", "If unset, "))
    ]

    assert undocumented == []


def map_or_list(schema: Schema) -> bool:
    return schema.get("type") == "array" or "additionalProperties" in schema


def test_the_schema_is_structural() -> None:
    """No references, no nulls, a type everywhere: the API server prunes unknown fields only by a structural schema."""
    for path, schema in spec_and_status().items():
        assert "type" in schema or schema.get("x-kubernetes-int-or-string"), path
        assert not schema.keys() & {"$ref", "title", "const", "$defs"}, path
        assert "anyOf" not in schema or schema.get("x-kubernetes-int-or-string"), path


def test_unknown_fields_are_preserved_only_where_kubernetes_or_ollama_validates_them() -> None:
    preserved = {path.rpartition(".")[2] for path, schema in spec_and_status().items() if preserving(schema)}

    selectors = {"ipBlock", "namespaceSelector", "podSelector"}
    assert preserved == {"affinity", "spec", "valueFrom", "options", "parameters"} | selectors


def preserving(schema: Schema) -> bool:
    return "x-kubernetes-preserve-unknown-fields" in schema


def test_every_list_has_a_merge_type() -> None:
    lists = {path: schema for path, schema in spec_and_status().items() if schema.get("type") == "array"}

    assert lists
    for path, schema in lists.items():
        assert schema["x-kubernetes-list-type"] in {"map", "atomic"}, path


def test_every_string_list_and_map_of_the_spec_is_bounded() -> None:
    """Without bounds the API server rejects rules as too expensive; and an object has to fit into etcd."""
    bounds = {"array": "maxItems", "string": "maxLength"}
    unbounded = [
        path
        for path, schema in spec_and_status().items()
        if path.startswith(".spec")
        and (
            (schema.get("type") in bounds and bounds[schema["type"]] not in schema and "enum" not in schema)
            or ("additionalProperties" in schema and "maxProperties" not in schema)
        )
    ]

    assert unbounded == []


def test_defaults_filled_in_by_the_server_cannot_be_mistaken_for_what_the_user_set() -> None:
    given = {path for path, schema in spec_and_status().items() if schema.get("default") == {}}
    cache = spec_and_status()[".spec.whisper.cache"]

    assert given == {".spec.whisper", ".spec.bridge"}
    assert [name for name, member in cache["properties"].items() if "default" in member] == [
        "ephemeral",
        "unusedModels",
    ]
    assert cache["properties"]["size"]["description"].endswith("Default: 10Gi.")


def test_the_scale_subresource_scales_the_bridge() -> None:
    assert version()["subresources"] == {
        "status": {},
        "scale": {
            "specReplicasPath": ".spec.bridge.replicas",
            "statusReplicasPath": ".status.bridge.replicas",
            "labelSelectorPath": ".status.bridge.selector",
        },
    }
    fields = spec_and_status()
    assert {".spec.bridge.replicas", ".status.bridge.replicas", ".status.bridge.selector"} <= fields.keys()


def test_printer_columns_refer_to_fields_of_the_status() -> None:
    columns = {column["name"]: column for column in version()["additionalPrinterColumns"]}

    assert list(columns) == ["Ready", "Whisper", "Ollama", "Models", "URL", "Age", "Message"]
    assert columns["Message"]["priority"] == 1
    plain = {column["jsonPath"] for column in columns.values() if column["jsonPath"].startswith(".status")}
    assert {path for path in plain if "[" not in path} <= spec_and_status().keys()
