"""The page of the custom resource SpeechPipeline, from the CRD."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from generator.markdown import page, table
from speechoperator.api import crd
from speechoperator.api.pod_template import COMMON, ComponentSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

Schema = dict[str, Any]

_COMMON = {ComponentSpec.model_fields[name].alias for name in COMMON}
_COMPONENTS = ("spec.whisper", "spec.ollama", "spec.bridge")


@dataclass(frozen=True, slots=True)
class Section:
    """An object of the resource.

    Attributes:
        title: Its path, as for `kubectl explain sp.PATH`; the items of a list and the values of a map have its path.
        description: Its description.
        fields: (name, type, whether it is required, description) each.
        rules: The messages of the rules that the API server checks for the whole object.
    """

    title: str
    description: str
    fields: tuple[tuple[str, str, bool, str], ...]
    rules: tuple[str, ...]


def speechpipeline_page() -> str:
    """Return the page of the custom resource."""
    introduction = (
        "API version `speechpipeline.dev/v1alpha1`, kind `SpeechPipeline`, short name `sp`, namespaced. In a cluster:\n"
        "`kubectl explain sp.spec --recursive`. Examples: [`examples/`](../../examples/README.md). The API server\n"
        "rejects unknown fields and violations of the rules. What the conditions in the status mean:\n"
        "[Conditions](conditions.md).\n"
    )
    parts = [introduction]
    for section in sections():
        rows = [
            (f"`{name}`", kind, f"{'**Required.** ' * required}{description}")
            for name, kind, required, description in section.fields
        ]
        parts += [f"## {section.title}\n", f"{section.description}\n" * bool(section.description)]
        parts += [table(("Field", "Type", "Description"), rows)]
        parts += ["".join(f"- Rule: {rule}.\n" for rule in section.rules)] if section.rules else []
    return page("SpeechPipeline", *filter(None, parts))


def sections() -> Iterator[Section]:
    """Yield all objects of the resource, those of the spec first; fields that all components share come once."""
    whole = crd.manifest()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    yield from _within("spec", whole["spec"])
    bridge = whole["spec"]["properties"]["bridge"]
    common = {"properties": {name: bridge["properties"][name] for name in bridge["properties"] if name in _COMMON}}
    yield from _within("Fields of all components", common, path="spec.COMPONENT")
    yield from _within("status", whole["status"])


def _within(title: str, schema: Schema, path: str = "") -> Iterator[Section]:
    hidden = _COMMON if title in _COMPONENTS else set()
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
    """Return the message of a rule; of a message expression the constant part."""
    return rule["message"] if "message" in rule else f"{rule['messageExpression'].split(chr(39))[1]} the fields of pods"
