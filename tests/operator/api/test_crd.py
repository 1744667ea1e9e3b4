"""The definition as a document: complete, current, and of the form that the API server asks for."""

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
    """All schemas within one, by the path of what they describe; items as `[]`, values of a map as `{}`."""
    for name, member in schema.get("properties", {}).items():
        yield f"{path}.{name}", member
        yield from inner(f"{path}.{name}", member)
    for key, mark in (("items", "[]"), ("additionalProperties", "{}")):
        if key in schema:
            yield path + mark, schema[key]
            yield from inner(path + mark, schema[key])


def spec_and_status() -> dict[str, Schema]:
    return {path: schema for path, schema in inner("", root()) if path.startswith((".spec", ".status"))}


def test_the_file_of_the_chart_is_current() -> None:
    assert FILE.read_text(encoding="utf-8") == crd.render(), "run 'make docs'"


def test_what_is_printed_is_the_manifest() -> None:
    assert yaml.safe_load(crd.render()) == crd.manifest()
    assert "&id" not in crd.render(), "YAML anchors are for machines"


def test_every_field_says_what_it_does() -> None:
    fields = {path: schema for path, schema in spec_and_status().items() if not path.endswith(("[]", "{}"))}

    wordless = [path for path, schema in fields.items() if not schema.get("description", "").endswith(".")]

    assert wordless == []


def test_every_field_that_may_be_left_out_says_what_then_holds() -> None:
    silent = [
        f"{path}.{name}"
        for path, schema in spec_and_status().items()
        if path.startswith(".spec")
        for name, member in schema.get("properties", {}).items()
        if name not in schema.get("required", ())
        and not maps_and_lists(member)
        and member.get("default") != {}
        and not any(word in member["description"] for word in ("Default: ", "Absent: ", "Without it"))
    ]

    assert silent == []


def maps_and_lists(schema: Schema) -> bool:
    return schema.get("type") == "array" or "additionalProperties" in schema


def test_it_is_structural() -> None:
    """No references, no nulls, each schema has its type: the API server would prune nothing otherwise."""
    for path, schema in spec_and_status().items():
        assert "type" in schema or schema.get("x-kubernetes-int-or-string"), path
        assert not schema.keys() & {"$ref", "title", "const", "$defs"}, path
        assert "anyOf" not in schema or schema.get("x-kubernetes-int-or-string"), path


def test_unknown_fields_are_kept_only_where_kubernetes_checks_them() -> None:
    kept = {path.rpartition(".")[2] for path, schema in spec_and_status().items() if preserving(schema)}

    assert kept == {"affinity", "valueFrom"}


def preserving(schema: Schema) -> bool:
    return "x-kubernetes-preserve-unknown-fields" in schema


def test_every_list_says_how_it_is_merged() -> None:
    lists = {path: schema for path, schema in spec_and_status().items() if schema.get("type") == "array"}

    assert lists
    for path, schema in lists.items():
        assert schema["x-kubernetes-list-type"] in {"map", "atomic"}, path


def test_every_text_list_and_map_of_the_spec_has_an_end() -> None:
    """Without, the API server counts a rule as too dear; and an object has to fit into etcd."""
    ends = {"array": "maxItems", "string": "maxLength"}
    endless = [
        path
        for path, schema in spec_and_status().items()
        if path.startswith(".spec")
        and (
            (schema.get("type") in ends and ends[schema["type"]] not in schema and "enum" not in schema)
            or ("additionalProperties" in schema and "maxProperties" not in schema)
        )
    ]

    assert endless == []


def test_no_object_has_a_default_that_looks_as_if_the_user_had_written_it() -> None:
    given = {path for path, schema in spec_and_status().items() if schema.get("default") == {}}
    cache = spec_and_status()[".spec.whisper.cache"]

    assert given == {".spec.whisper", ".spec.bridge"}
    assert [name for name, member in cache["properties"].items() if "default" in member] == ["ephemeral"]
    assert cache["properties"]["size"]["description"].endswith("Default: 10Gi.")


def test_scale_is_of_the_bridge() -> None:
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


def test_columns_show_what_the_status_has() -> None:
    columns = {column["name"]: column for column in version()["additionalPrinterColumns"]}

    assert list(columns) == ["Ready", "Whisper", "Ollama", "Models", "URL", "Age", "Message"]
    assert columns["Message"]["priority"] == 1
    plain = {column["jsonPath"] for column in columns.values() if column["jsonPath"].startswith(".status")}
    assert {path for path in plain if "[" not in path} <= spec_and_status().keys()
