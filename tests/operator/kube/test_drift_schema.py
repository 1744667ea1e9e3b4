"""Lists and maps are matched as the API server's own schema says that server-side apply merges them."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

import goldens
from cluster.api import Api
from speechoperator.kube.merge_keys import ATOMIC_MAPS, MERGE_KEYS

pytestmark = pytest.mark.cluster

Schema = dict[str, Any]


class Schemas:
    """The OpenAPI schemas of one API group."""

    def __init__(self, document: Schema) -> None:
        self._schemas: dict[str, Schema] = document["components"]["schemas"]

    def of(self, kind: str, version: str) -> Schema:
        for schema in self._schemas.values():
            for one in schema.get("x-kubernetes-group-version-kind", []):
                name = "/".join(part for part in (one["group"], one["version"]) if part)
                if (name, one["kind"]) == (version, kind):
                    return schema
        raise AssertionError(f"no schema of {version} {kind}")

    def resolved(self, schema: Schema) -> Schema:
        """Follow a reference; what stands beside it (`x-kubernetes-map-type`, a default) counts too."""
        reference = schema.get("$ref") or next((one["$ref"] for one in schema.get("allOf", []) if "$ref" in one), None)
        if reference is None:
            return schema
        beside = {key: value for key, value in schema.items() if key not in {"$ref", "allOf"}}
        return {**self._schemas[reference.rsplit("/", 1)[1]], **beside}

    def walk(self, schema: Schema, value: Any, around: str, field: str) -> Iterator[tuple[str, Schema, Any]]:
        """Yield each list and map of an object as ("the field around it.the field", schema, value)."""
        schema = self.resolved(schema)
        if isinstance(value, dict):
            yield f"{around}.{field}", schema, value
            for key, item in value.items():
                inner = schema.get("properties", {}).get(key, schema.get("additionalProperties"))
                if isinstance(inner, dict):
                    yield from self.walk(inner, item, field, key)
        elif isinstance(value, list):
            yield f"{around}.{field}", schema, value
            for item in value:
                yield from self.walk(schema["items"], item, around, field)


@pytest.fixture
async def fields(api: Api) -> list[tuple[str, Schema, Any]]:
    """All lists and maps in the golden objects, HTTPRoutes apart, whose definition is no part of the server."""
    found: list[tuple[str, Schema, Any]] = []
    groups: dict[str, Schemas] = {}
    for case in goldens.CASES:
        for one in goldens.built(case):
            version = one["apiVersion"]
            if one["kind"] == "HTTPRoute":
                continue
            if version not in groups:
                where = f"/openapi/v3/{'apis' if '/' in version else 'api'}/{version}"
                groups[version] = Schemas(json.loads(await api.text(where)))
            schemas = groups[version]
            found += schemas.walk(schemas.of(one["kind"], version), one, "", "")
    return found


async def test_lists_are_matched_by_their_merge_keys(fields: list[tuple[str, Schema, Any]]) -> None:
    lists = [(name, schema) for name, schema, value in fields if isinstance(value, list)]

    for name, schema in lists:
        kind = schema.get("x-kubernetes-list-type", "atomic")
        keys = tuple(schema["x-kubernetes-list-map-keys"]) if kind == "map" else None
        assert MERGE_KEYS.get(name) == keys, name
    assert {name for name, _ in lists} >= MERGE_KEYS.keys()


async def test_maps_of_one_writer_are_compared_as_a_whole(fields: list[tuple[str, Schema, Any]]) -> None:
    texts = [(name, schema) for name, schema, value in fields if isinstance(value, dict) and "properties" not in schema]

    atomic = {name for name, schema in texts if schema.get("x-kubernetes-map-type") == "atomic"}
    assert atomic == {name for name in ATOMIC_MAPS if not name.endswith(".matchLabels")}


async def test_label_selectors_belong_to_one_writer(fields: list[tuple[str, Schema, Any]]) -> None:
    around = {
        f"{name.rsplit('.', 1)[1]}.matchLabels": schema.get("x-kubernetes-map-type")
        for name, schema, value in fields
        if isinstance(value, dict) and "matchLabels" in value and "properties" in schema
    }

    assert set(around.values()) == {"atomic"}
    assert {name for name in ATOMIC_MAPS if name.endswith(".matchLabels")} == around.keys()
