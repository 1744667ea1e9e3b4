"""Traces in the file that the OpenTelemetry Collector writes (exporter `file`): a line of OTLP in JSON per batch."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


@dataclass(frozen=True)
class Span:
    """A span; times in seconds since 1970."""

    service: str
    name: str
    trace: str
    id: str
    parent: str
    start: float
    end: float
    attributes: dict[str, Any]
    events: tuple[str, ...]
    failed: bool


def read(file: Path) -> list[Span]:
    """Return all spans, in the order of their start."""
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    complete, _, _ = text.rpartition("\n")
    found = [span for line in complete.splitlines() for span in _spans(json.loads(line))]
    return sorted(found, key=lambda span: span.start)


def _spans(batch: dict[str, Any]) -> Iterator[Span]:
    for resource in batch["resourceSpans"]:
        service = _attributes(resource["resource"])["service.name"]
        for scope in resource["scopeSpans"]:
            for span in scope["spans"]:
                yield Span(
                    service,
                    span["name"],
                    span["traceId"],
                    span["spanId"],
                    span.get("parentSpanId", ""),
                    int(span["startTimeUnixNano"]) / 1e9,
                    int(span["endTimeUnixNano"]) / 1e9,
                    _attributes(span),
                    tuple(event["name"] for event in span.get("events", ())),
                    failed=span.get("status", {}).get("code") == 2,
                )


def _attributes(owner: dict[str, Any]) -> dict[str, Any]:
    return {one["key"]: _value(one["value"]) for one in owner.get("attributes", ())}


def _value(value: dict[str, Any]) -> Any:
    ((kind, content),) = value.items()
    if kind == "intValue":
        return int(content)
    return [_value(one) for one in content.get("values", ())] if kind == "arrayValue" else content


def tree(spans: Sequence[Span]) -> str:
    """Return a trace as text: the spans below their parents, when each began and how long it took, and its service."""
    known = {span.id for span in spans}
    began = min(span.start for span in spans)

    def lines(parent: str | None, depth: int) -> Iterator[str]:
        for span in spans:
            if (span.parent if span.parent in known else None) == parent:
                name = "  " * depth + span.name
                times = f"{1000 * (span.start - began):7.0f} {1000 * (span.end - span.start):7.0f} ms"
                yield f"{name:50}{times}  {span.service}"
                yield from lines(span.id, depth + 1)

    return "\n".join(lines(None, 0))
