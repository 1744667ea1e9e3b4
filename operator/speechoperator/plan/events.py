"""Events: what a person wants to know of a pipeline, once, when it happens.

What happened is the difference between the status as it stands in the API and the one to come; so nothing is told
twice, not even by another operator.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from speechoperator.plan.actions import Event
from speechoperator.plan.conditions import claims
from speechoperator.plan.conditions.compose import by_type
from speechoperator.plan.conditions.reasons import PROBLEMS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from speechoperator.kube.objects import Object

_LONGEST = 1000  # bytes; the API takes 1024
_SUMS = ("Progressing", "Ready")
"""Conditions that repeat what others say."""


def events(before: Object, after: Mapping[str, Any]) -> tuple[Event, ...]:
    """Return what has happened between two states of the status."""
    return (*_problems(before, after), *_models(before, after), *_orphans(before, after), *_turns(before, after))


def _problems(before: Object, after: Mapping[str, Any]) -> Iterator[Event]:
    known, now = by_type(before), by_type(after)
    told = {condition["reason"] for kind, condition in now.items() if kind not in _SUMS}
    for kind, condition in now.items():
        reason = condition["reason"]
        if condition["status"] == "True" or reason not in PROBLEMS or known.get(kind, {}).get("reason") == reason:
            continue
        if kind not in _SUMS or (kind == "Progressing" and reason not in told):
            yield Event("Warning", reason, _short(condition["message"]))


def _models(before: Object, after: Mapping[str, Any]) -> Iterator[Event]:
    listed = before.get("models")
    known = {
        model.get("name"): model.get("stage")
        for model in (listed if isinstance(listed, list) else [])
        if isinstance(model, dict)
    }
    for model in after.get("models", ()):
        name, stage = model["name"], model["stage"]
        if known.get(name) == stage:
            continue
        if stage == "Pulling":
            yield Event("Normal", "ModelPulling", _short(f"pulling {name}"))
        elif stage == "Ready":
            yield Event("Normal", "ModelReady", _short(f"{name} is there"))


def _orphans(before: Object, after: Mapping[str, Any]) -> Iterator[Event]:
    known = _orphans_of(before)
    for said in _orphans_of(after):
        if said not in known:
            yield Event("Normal", "ClaimOrphaned", _short(said))


def _orphans_of(status: Object) -> tuple[str, ...]:
    return claims.each_orphan(by_type(status).get("ClaimsOrphaned", {}).get("message", ""))


def _turns(before: Object, after: Mapping[str, Any]) -> Iterator[Event]:
    was, now = by_type(before).get("Ready", {}), by_type(after).get("Ready", {})
    if now.get("status") == "True" and was.get("status") != "True":
        yield Event("Normal", "Ready", _short(now["message"]))
    elif now.get("reason") == "Suspended" and was.get("reason") != "Suspended":
        yield Event("Normal", "Suspended", _short(now["message"]))


def _short(message: str) -> str:
    raw = message.encode()
    return message if len(raw) <= _LONGEST else f"{raw[:_LONGEST].decode(errors='ignore')}..."
