"""The page of the bridge's HTTP API, from its OpenAPI document."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from generator.markdown import capital, default, page, table
from speechbridge.api.openapi.document import document
from speechbridge.errors import PROBLEMS
from speechbridge.languages import NAMES

if TYPE_CHECKING:
    from collections.abc import Iterator

Json = dict[str, Any]

_TABLES = {tuple(sorted(PROBLEMS)): "[code](errors.md)"}


_LANGUAGES = """\
The field `language` accepts these codes and names in any letter case, with or without a region or script (`en-US`,
`pt_BR`, `zh-Hans`), ISO 639-2 and 639-3 codes (`deu`, `ger`, `cmn`) and older ones (`iw`). If it is missing, empty,
`auto`, `null`, `none` or `undefined`, the language is detected."""


def http_api_page() -> str:
    """Return the page of all routes."""
    described = document()
    parts = [
        described["info"]["description"],
        "All error codes: [errors.md](errors.md). OpenAPI 3.1 document: `GET /openapi.json`.\n",
    ]
    for tag in described["tags"]:
        parts += [f"## {tag['name']}\n", f"{tag['description']}\n"]
        for path, operations in described["paths"].items():
            for method, operation in operations.items():
                if tag["name"] in operation["tags"]:
                    parts += _operation(f"{method.upper()} {path}", operation, described["components"])
    parts.append("## Objects\n")
    for name, schema in described["components"]["schemas"].items():
        more = " Further members are possible." if schema.get("additionalProperties") is True else ""
        parts += [f"### {name}\n", f"{schema['description']}{more}\n", _members(schema)]
    parts += ["## Languages\n", f"{_LANGUAGES}\n\n{_languages()}.\n"]
    return page("HTTP API of the bridge", *parts)


def _languages() -> str:
    return ", ".join(f"`{code}` {name.title()}" for code, name in sorted(NAMES.items()))


def _operation(title: str, operation: Json, components: Json) -> Iterator[str]:
    yield f"### `{title}`\n"
    yield f"**{operation['summary']}.** {operation.get('description', '')}".strip().replace("?.**", "?**") + "\n"
    if parameters := [_resolved(item, components) for item in operation.get("parameters", [])]:
        rows = [(f"`{item['name']}`", item["in"], type_of(item["schema"]), item["description"]) for item in parameters]
        yield table(("Parameter", "In", "Type", "Description"), rows)
    for media_type, body in operation.get("requestBody", {}).get("content", {}).items():
        yield f"Body: `{media_type}`{_linked(body['schema'])}\n"
        yield _members(body["schema"]) + _examples(body)
    answers = operation["responses"]
    yield table(("Status", "Response"), [(status, _outcome(answer)) for status, answer in answers.items()])
    for media_type, body in answers["200"]["content"].items():
        yield from _answer(media_type, body)


def _outcome(answer: Json) -> str:
    """Return the meaning of a response: the codes of an error, else its description."""
    codes = [name for body in answer["content"].values() for name in body.get("examples", {}) if name in PROBLEMS]
    return ", ".join(f"`{code}`" for code in codes) or answer["description"]


def _answer(media_type: str, body: Json) -> Iterator[str]:
    said = body["schema"].get("description", "")
    yield f"`{media_type}`{_linked(body['schema'])}{said and ': '}{said}\n"
    if events := body.get("x-events"):
        yield table(("Event", "Data"), [(f"`{name}`", type_of(schema)) for name, schema in events.items()])
    if examples := _examples(body):
        yield examples


def _linked(schema: Json) -> str:
    shown = type_of(schema)
    return f", {shown}" if "](#" in shown else ""


def _examples(body: Json) -> str:
    named = {name: item["value"] for name, item in body.get("examples", {}).items()}
    if not named and "example" in body:
        named = {"": body["example"]}
    return "\n".join(_fenced(name.replace("_", " "), value) for name, value in named.items())


def _fenced(name: str, value: Any) -> str:
    if isinstance(value, str):
        return f"```text\n{value.strip()}\n```\n"
    label = f"{capital(name)}:\n\n" if name else ""
    return f"{label}```json\n{json.dumps(value, indent=2, ensure_ascii=False)}\n```\n"


def _members(schema: Json) -> str:
    needed = schema.get("required", ())
    rows = [
        (f"`{name}`", type_of(member), "yes" if name in needed else default(member.get("default")), _said(member))
        for name, member in schema.get("properties", {}).items()
    ]
    return table(("Member", "Type", "Required or default", "Description"), rows) if rows else ""


def _said(schema: Json) -> str:
    said: str = schema.get("description", "")
    if "minimum" in schema and "maximum" in schema:
        said += f" From {schema['minimum']} to {schema['maximum']}."
    return said


def type_of(schema: Json) -> str:
    """Return a schema in a few words, with links to the objects it names."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix("#/components/schemas/").partition("/")[0]
        return f"[{name}](#{name.lower()})"
    if values := schema.get("enum", [schema["const"]] if "const" in schema else []):
        return _TABLES.get(tuple(values)) or ", ".join(f"`{value}`" for value in values)
    if "anyOf" in schema:
        return " or ".join(type_of(option) for option in schema["anyOf"])
    if items := schema.get("items"):
        return f"list of {type_of(items)}"
    if isinstance(more := schema.get("additionalProperties"), dict):
        return f"object of {type_of(more)}"
    kinds = "file" if schema.get("format") == "binary" else schema.get("type", "any")
    return " or ".join(kinds) if isinstance(kinds, list) else kinds


def _resolved(item: Json, components: Json) -> Json:
    found: Json = components["parameters"][item["$ref"].rpartition("/")[2]] if "$ref" in item else item
    return found
