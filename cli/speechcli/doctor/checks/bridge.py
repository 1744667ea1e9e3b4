"""Whether the bridge can answer: what its /readyz says of Whisper and the language model."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING

from speechcli.doctor.verdicts import fault, ok, unchecked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from speechcli.doctor.facts import Facts
    from speechcli.doctor.verdicts import Verdict

AREA = "bridge"
COMPONENTS = {"whisper": "whisper", "llm": "ollama"}
"""The names of components in /readyz, and those in the status of the pipeline."""


def check(facts: Facts) -> Iterator[Verdict]:
    """Judge the answer of the bridge's readiness."""
    found = facts.readiness
    if found is None:
        return
    if _scaled_to_zero(facts, "bridge"):
        yield ok(AREA, "it is scaled to zero, as the spec says")
        return
    if found.error:
        yield unchecked(AREA, f"/readyz: {found.error}")
        return
    try:
        components = json.loads(found.body)["components"]
        waited_for = {name: str(one["detail"]) for name, one in components.items() if not one["ready"]}
    except (ValueError, KeyError, TypeError, AttributeError):
        yield unchecked(AREA, f"/readyz responded with {found.status}: {found.body[:200]}")
        return
    if found.status == HTTPStatus.OK:
        yield ok(AREA, "; ".join(f"{name}: {one['detail']}" for name, one in components.items()) or "ready")
        return
    details = "; ".join(f"{name}: {detail}" for name, detail in waited_for.items())
    if waited_for and all(_scaled_to_zero(facts, COMPONENTS.get(name, name)) for name in waited_for):
        yield ok(AREA, f"{details}: the next request starts what is scaled to zero")
        return
    yield fault(
        AREA,
        f"not ready: {details or 'it is stopping'}",
        f"kubectl -n {facts.namespace} logs deployment/{facts.name}-bridge",
    )


def _scaled_to_zero(facts: Facts, component: str) -> bool:
    return (facts.status.get(component) or {}).get("desired") == 0
