"""Write the pages of docs/reference that are generated: `make docs`. tests/bridge/test_docs.py holds them current."""  # noqa: INP001 - a script

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from prometheus_client import Counter, Gauge, Histogram
from pydantic_core import PydanticUndefined

from speechbridge.api.openapi.document import document
from speechbridge.api.openapi.problems import WHEN
from speechbridge.errors import PROBLEMS
from speechbridge.intake.languages import LANGUAGES
from speechbridge.settings import GIB, KIB, MIB
from speechbridge.settings import Settings as BridgeSettings
from speechbridge.telemetry.metrics import Metrics as BridgeMetrics
from speechbridge.upstreams.failures import FailureKind
from speechlocal import chart, custom_resource
from speechoperator.api import crd
from speechoperator.api.status import CONDITION_TYPES
from speechoperator.errors import CODES
from speechoperator.plan.conditions.reasons import Kind, Reason
from speechoperator.plan.events import NORMAL_EVENTS
from speechoperator.settings import Settings as OperatorSettings
from speechoperator.telemetry.metrics import Metrics as OperatorMetrics
from speechwhisper.errors import PROBLEMS as WHISPER_PROBLEMS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pydantic.fields import FieldInfo
    from pydantic_settings import BaseSettings

    Json = dict[str, Any]

REFERENCE = Path(__file__).resolve().parent / "reference"
CRD = chart.SCHEMA.parent / "crds" / "speechpipelines.yaml"
_NOTICE = "<!-- Written by docs/generate.py from the code; run `make docs` after a change there. -->\n"
_LABELS = {
    "route": "pattern of the path, such as `/process`; `unmatched` for unknown paths",
    "outcome": (
        "of a request: `ok`, `partial` (transcribed, but generation failed), `rejected` (4xx), `overloaded`, `failed` "
        "or `cancelled` (client disconnected); of a stage: `ok`, `failed` or `cancelled`"
    ),
    "stage": "`queue`, `transcribe` or `generate`",
    "model": "language model; empty if not applicable, `other` beyond 32 models",
    "queue": "`admission` or `whisper` (waiting for a pod)",
    "kind": f"of tokens: `prompt` or `completion`; of failures: {', '.join(f'`{kind}`' for kind in FailureKind)}",
    "upstream": "`whisper` or `llm`",
}
_OPERATOR_LABELS = {
    "result": "`ok`, `rejected` (the API server rejected a write; it is retried) or `error` (see `errors_total`)",
    "code": "the [error code](operator-errors.md)",
    "kind": "the kind of an object, as in manifests",
    "verb": "of writes `apply`, `create`, `delete`, or the patch: `merge`, `strategic`; of requests as RBAC names it",
    "why": "`missing`, `changed`, `orphaned`, `pruned`, `status`, `gate` or `event`",
    "resource": "as `kubectl auth can-i` takes it: `deployments.apps`",
    "status": "the HTTP status; `none` without a response",
    "changed": "`true`, or `false` if the state was known already: after the operator's own writes, for instance",
    "outcome": "`ok` or `failed`",
}
_TABLES = {tuple(sorted(PROBLEMS)): "[code](errors.md)", tuple(sorted(LANGUAGES)): "[language](#languages)"}
_BOUNDS = {"Ge": ("ge", "at least"), "Gt": ("gt", "more than"), "Le": ("le", "at most")}


def pages() -> dict[Path, str]:
    """Return the text of each generated page by its path."""
    texts = {"http-api": http_api(), "metrics": metrics(), "settings": settings(), "errors": errors()}
    texts |= {"operator-metrics": operator_metrics(), "operator-settings": operator_settings()}
    texts |= {"operator-errors": operator_errors(), "whisper-errors": whisper_errors(), "conditions": conditions()}
    texts |= {"chart-values": chart_values(), "speechpipeline": speechpipeline()}
    files = {chart.SCHEMA: chart.values_schema(), CRD: crd.render()}
    return {REFERENCE / f"{name}.md": text for name, text in texts.items()} | files


def errors() -> str:
    """Return the page of all error codes."""
    rows = [(f"`{code}`", str(status), title, WHEN[code]) for code, (status, title) in PROBLEMS.items()]
    return _page(
        "Errors of the bridge",
        "Each error has a stable `code`; branch on it, not on texts. Errors are `application/problem+json`\n"
        "(RFC 9457), under `/v1` OpenAI's error object: [both formats](http-api.md#openaierror). A 503 has\n"
        "`Retry-After` in seconds, if known. If only the generation fails, `/process` responds with 200 and the code\n"
        "in `error`; in an event stream, errors are `error` events.",
        table(("Code", "Status", "Title", "When"), rows),
    )


def whisper_errors() -> str:
    """Return the page of all error codes of the Whisper server."""
    rows = [(f"`{code}`", str(status), title) for code, (status, title) in WHISPER_PROBLEMS.items()]
    return _page(
        "Errors of the Whisper server",
        "Each error has a stable `code`; branch on it, not on texts. Errors are `application/problem+json`\n"
        "(RFC 9457): `type`, `title`, `status`, `detail`, `code`, `request_id`. Under `/v1` they are OpenAI's error\n"
        "object: `error` with `message`, `type`, `param`, `code`. `busy` has `Retry-After` in seconds, at most 600.\n"
        "In an event stream, errors are `error` events.",
        table(("Code", "Status", "Title"), rows),
    )


def operator_errors() -> str:
    """Return the page of all error codes of the operator."""
    rows = [(f"`{name}`", code.meaning, code.remedy) for name, code in CODES.items()]
    return _page(
        "Errors of the operator",
        "Each error has a stable `code`. It is in the log line, and `speechoperator_errors_total` counts by it. What\n"
        "concerns one pipeline is also in the conditions of its status.",
        table(("Code", "Meaning", "What to do"), rows),
    )


def metrics() -> str:
    """Return the page of all metrics of the bridge."""
    return _metrics("bridge", BridgeMetrics(), _LABELS)


def operator_metrics() -> str:
    """Return the page of all metrics of the operator."""
    return _metrics("operator", OperatorMetrics(), _OPERATOR_LABELS)


def settings() -> str:
    """Return the page of all settings of the bridge."""
    return _settings("bridge", "speechbridge", BridgeSettings)


def operator_settings() -> str:
    """Return the page of all settings of the operator."""
    return _settings("operator", "speechoperator", OperatorSettings)


def _metrics(program: str, counted: object, labels: dict[str, str]) -> str:
    found = [item for item in vars(counted).values() if isinstance(item, Counter | Gauge | Histogram)]
    families = [(next(iter(item.describe())), item) for item in found]
    rows = [
        (
            f"`{family.name}{'_total' if isinstance(item, Counter) else ''}`",
            family.type,
            ", ".join(f"`{label}`" for label in item._labelnames),  # noqa: SLF001 - there is no other way to them
            _unit(family.name),
            family.documentation,
        )
        for family, item in families
    ]
    return _page(
        f"Metrics of the {program}",
        "At `/metrics`, in the Prometheus text format. Histograms have `_bucket`, `_sum` and `_count` series.\n"
        "The Python client adds its `process_*` metrics and `python_info`.",
        table(("Name", "Type", "Labels", "Unit", "Description"), rows),
        "## Labels\n",
        table(("Label", "Values"), [(f"`{label}`", text) for label, text in labels.items()]),
    )


def _settings(program: str, package: str, model: type[BaseSettings]) -> str:
    rows = [
        (f"`{name.upper()}`", _default(field.default), _allowed(field), _capital(field.description or ""))
        for name, field in model.model_fields.items()
    ]
    return _page(
        f"Settings of the {program}",
        "Environment variables, read once at startup; the program exits with a message if one is invalid.\n"
        f"`python -m {package} --help` lists them too.",
        table(("Variable", "Default", "Values", "Description"), rows),
    )


def chart_values() -> str:
    """Return the page of all values of the Helm chart."""
    rows = [(f"`{path}`", kind, default, said) for path, kind, default, said in chart.values()]
    return _page(
        "Values of the chart",
        "Of `charts/speechpipeline`, as Helm takes them by `--values` and `--set`; others are refused. No default\n"
        "means empty. What to do with them: [Install it on Kubernetes](../how-to/install-on-kubernetes.md).",
        table(("Value", "Type", "Default", "What it is"), rows),
    )


def speechpipeline() -> str:
    """Return the page of the custom resource."""
    introduction = (
        "API version `speechpipeline.dev/v1alpha1`, kind `SpeechPipeline`, short name `sp`, namespaced. In a cluster:\n"
        "`kubectl explain sp.spec --recursive`. Examples: [`examples/`](../../examples/README.md). The API server\n"
        "rejects unknown fields and violations of the rules. What the conditions in the status mean:\n"
        "[Conditions](conditions.md).\n"
    )
    parts = [introduction]
    for section in custom_resource.sections():
        rows = [
            (f"`{name}`", kind, f"{'**Required.** ' * required}{description}")
            for name, kind, required, description in section.fields
        ]
        parts += [f"## {section.title}\n", f"{section.description}\n" * bool(section.description)]
        parts += [table(("Field", "Type", "Description"), rows)]
        parts += ["".join(f"- Rule: {rule}.\n" for rule in section.rules)] if section.rules else []
    return _page("SpeechPipeline", *filter(None, parts))


def conditions() -> str:
    """Return the page of the condition types and reasons of a SpeechPipeline."""
    return _page(
        "Conditions of a SpeechPipeline",
        "`kubectl describe sp NAME` prints `status.conditions` with their messages, and\n"
        "`kubectl wait --for=condition=Ready sp/NAME` waits until the pipeline is ready. Types and reasons belong\n"
        "to the API, so that alerts can match on them. Messages are for people and may change.\n",
        "## Types\n",
        "`Ready` and `Progressing` repeat the most useful reason of the other conditions.\n",
        table(("Type", "Meaning of True"), [(f"`{kind}`", meaning) for kind, meaning in CONDITION_TYPES.items()]),
        "## Reasons that require action\n",
        "They persist unless their cause is temporary. If several apply, the one listed first is reported.\n",
        table(
            ("Reason", "Meaning", "Who acts", "What to do"),
            [(f"`{one.text}`", one.meaning, one.actor.value, one.action) for one in _reasons(Kind.FINDING)],
        ),
        "## Reasons that pass by waiting, or are intended\n",
        table(
            ("Reason", "Meaning", "What to do"),
            [(f"`{one.text}`", one.meaning, one.action or "Wait.") for one in _reasons(Kind.WAITING)],
        ),
        "## Reasons without action\n",
        table(("Reason", "Meaning"), [(f"`{one.text}`", one.meaning) for one in _reasons(Kind.GOOD)]),
        "## Events\n",
        "Each reason that requires action is also recorded as a Warning Event when it appears. Normal Events:\n",
        table(("Reason", "Meaning"), [(f"`{reason}`", meaning) for reason, meaning in NORMAL_EVENTS.items()]),
    )


def _reasons(kind: Kind) -> list[Reason]:
    return [reason for reason in Reason if reason.kind is kind]


def http_api() -> str:
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
    parts += ["## Languages\n", f"{', '.join(f'`{code}`' for code in sorted(LANGUAGES))}.\n"]
    return _page("HTTP API of the bridge", *parts)


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Return a table in Markdown."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def _page(title: str, *parts: str) -> str:
    body = "\n".join(part if part.endswith("\n") else f"{part}\n" for part in parts)
    return f"{_NOTICE}\n# {title}\n\n{body}"


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
    label = f"{_capital(name)}:\n\n" if name else ""
    return f"{label}```json\n{json.dumps(value, indent=2, ensure_ascii=False)}\n```\n"


def _members(schema: Json) -> str:
    needed = schema.get("required", ())
    rows = [
        (f"`{name}`", type_of(member), "yes" if name in needed else _default(member.get("default")), _said(member))
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


def _unit(name: str) -> str:
    if "seconds" in name.split("_"):
        return "seconds"
    return "bytes" if name.endswith("_bytes") else "ratio" if name.endswith("_factor") else "count"


def _default(value: Any) -> str:
    if value is PydanticUndefined:
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    for size, unit in ((GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")):
        if isinstance(value, int) and value and value % size == 0:
            return f"`{value}` ({value // size} {unit})"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`" if value not in {None, "", ()} else ""


def _allowed(field: FieldInfo) -> str:
    if field.annotation is bool:
        return "`true`, `false`"
    if options := [option for option in get_args(field.annotation) if isinstance(option, str)]:
        return ", ".join(f"`{option}`" for option in options)
    bounds = [
        f"{words} {getattr(bound, attribute)}"
        for bound in field.metadata
        for attribute, words in [_BOUNDS.get(type(bound).__name__, ("", ""))]
        if attribute
    ]
    return " and ".join(bounds) or "text"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


if __name__ == "__main__":
    for path, text in pages().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print(f"wrote {path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}")  # noqa: T201 - a script
