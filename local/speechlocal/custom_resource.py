"""The SpeechPipeline's definition, cut into the sections of its page in docs/reference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from speechoperator.api import crd
from speechoperator.api.pod_template import COMMON, Part

if TYPE_CHECKING:
    from collections.abc import Iterator

Schema = dict[str, Any]

_COMMON = {Part.model_fields[name].alias for name in COMMON}
_PARTS = ("spec.whisper", "spec.ollama", "spec.bridge")


@dataclass(frozen=True, slots=True)
class Section:
    """An object of the resource.

    Attributes:
        title: Its path, as `kubectl explain sp.PATH` takes it; list items and values of maps have that of the list.
        said: What it is.
        fields: (name, type, whether it must be given, what it does) each.
        rules: What the API server checks of it as a whole, in the words of its refusal.
    """

    title: str
    said: str
    fields: tuple[tuple[str, str, bool, str], ...]
    rules: tuple[str, ...]


def sections() -> Iterator[Section]:
    """Return all objects of the resource, the spec's first; what all three parts have comes once, after them."""
    whole = crd.manifest()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    yield from _within("spec", whole["spec"])
    bridge = whole["spec"]["properties"]["bridge"]
    common = {"properties": {name: bridge["properties"][name] for name in bridge["properties"] if name in _COMMON}}
    yield from _within("Fields of all three parts", common, path="spec.PART")
    yield from _within("status", whole["status"])


def _within(title: str, schema: Schema, path: str = "") -> Iterator[Section]:
    hidden = _COMMON if title in _PARTS else set()
    members = {name: member for name, member in schema["properties"].items() if name not in hidden}
    needed = schema.get("required", ())
    yield Section(
        title,
        schema.get("description", ""),
        tuple(
            (name, _kind(member), name in needed, member["description"])
            for name, member in sorted(members.items(), key=lambda item: item[0] not in needed)
        ),
        tuple(_rule(rule) for rule in schema.get("x-kubernetes-validations", ())),
    )
    for name, member in members.items():
        inner = member.get("items", member)
        if "properties" in inner:
            yield from _within(f"{path or title}.{name}", inner)


def _kind(schema: Schema) -> str:
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    if schema.get("x-kubernetes-int-or-string"):
        return "integer or string"
    if "items" in schema:
        return f"list of {_kind(schema['items'])}s"
    if "additionalProperties" in schema:
        return f"map of {_kind(schema['additionalProperties'])}"
    kind: str = schema["type"]
    return kind


def _rule(rule: dict[str, str]) -> str:
    """A message; of one that names the fields at fault, the part that is always the same."""
    return rule["message"] if "message" in rule else f"{rule['messageExpression'].split(chr(39))[1]} the fields of pods"
