"""Events: what changed between two statuses of a pipeline and is worth an Event.

The status before is the one in the API, so an Event is not repeated after a restart or by another replica.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from speechoperator.plan.actions import Event
from speechoperator.plan.conditions.compose import by_type
from speechoperator.plan.conditions.pvcs import messages_by_pvc
from speechoperator.plan.conditions.reasons import FINDINGS, Reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from speechoperator.kube.objects import Object

_MAX_MESSAGE_BYTES = 1000
"""The API server accepts 1024."""
_SUMMARIES = ("Progressing", "Ready", "Reconciling", "Stalled")
"""Conditions that repeat others."""

NORMAL_EVENTS: Mapping[str, str] = {
    "ModelPulling": "A language model is being pulled.",
    "ModelReady": "Every Ollama pod has the language model.",
    "PVCOrphaned": "A PVC is no longer used; its data is kept. The message has the command that deletes it.",
    "PVCReused": "A new pipeline uses a PVC that an earlier pipeline of its name has left, with the models on it.",
    "Ready": "The pipeline has become ready.",
    "ScaledDown": "Whisper or Ollama has fewer replicas. The message has the reason, and the id of the decision.",
    "ScaledUp": "Whisper or Ollama has more replicas. The message has the reason, and the id of the decision.",
    "ScalingAdvised": "In the mode `Advisory`, another number of replicas is recommended. The message has the reason.",
    "Suspended": "The pipeline has been suspended.",
}
"""The reasons of Events that are no findings, each with its meaning."""


def events(before: Object, after: Mapping[str, Any], reused: Iterable[str] = ()) -> tuple[Event, ...]:
    """Return the Events for the changes between two statuses.

    Args:
        before: The status before; empty for a new pipeline.
        after: The new status.
        reused: Names of the PVCs that an earlier pipeline has left to this one.
    """
    return (
        *(() if before else (_reused(name) for name in reused)),
        *_findings(before, after),
        *_models(before, after),
        *_scaling(before, after),
        *_orphans(before, after),
        *_readiness(before, after),
    )


def _findings(before: Object, after: Mapping[str, Any]) -> Iterator[Event]:
    old, new = by_type(before), by_type(after)
    specific = {condition["reason"] for kind, condition in new.items() if kind not in _SUMMARIES}
    for kind, condition in new.items():
        reason = condition["reason"]
        if condition["status"] == "True" or reason not in FINDINGS or old.get(kind, {}).get("reason") == reason:
            continue
        if kind not in _SUMMARIES or (kind == "Progressing" and reason not in specific):
            yield Event("Warning", reason, _truncated(condition["message"]))


def _models(before: Object, after: Mapping[str, Any]) -> Iterator[Event]:
    listed = before.get("models")
    old = {
        model.get("name"): model.get("stage")
        for model in (listed if isinstance(listed, list) else [])
        if isinstance(model, dict)
    }
    for model in after.get("models", ()):
        name, stage = model["name"], model["stage"]
        if old.get(name) == stage:
            continue
        if stage == "Pulling":
            yield Event("Normal", "ModelPulling", _truncated(f"pulling {name}"))
        elif stage == "Ready":
            yield Event("Normal", "ModelReady", _truncated(f"{name} is ready"))


def _scaling(before: Object, after: Mapping[str, Any]) -> Iterator[Event]:
    """Return the changes of replicas; a failed write is a finding."""
    known = {change.get("id") for change in before.get("scalingHistory") or ()}
    advisory = by_type(after).get("ScalingActive", {}).get("reason") == Reason.ADVISORY.text
    for change in after.get("scalingHistory") or ():
        if change["id"] in known:
            continue
        component, before, replicas = change["component"], change["from"], change["to"]
        numbers = f"{component} stays at {replicas}" if before == replicas else f"{component} {before} -> {replicas}"
        message = _truncated(f"{numbers}: {change['reason']} [{change['id']}]")
        if not change["ok"]:
            if advisory:
                yield Event("Normal", "ScalingAdvised", message)
        elif replicas > before:
            yield Event("Normal", "ScaledUp", message)
        else:
            yield Event("Normal", "ScaledDown", message)


def _orphans(before: Object, after: Mapping[str, Any]) -> Iterator[Event]:
    known = _orphans_of(before)
    for message in _orphans_of(after):
        if message not in known:
            yield Event("Normal", "PVCOrphaned", _truncated(message))


def _orphans_of(status: Object) -> tuple[str, ...]:
    return messages_by_pvc(by_type(status).get("PVCsOrphaned", {}).get("message", ""))


def _reused(pvc: str) -> Event:
    return Event(
        "Normal", "PVCReused", _truncated(f"PVC {pvc} was left by an earlier pipeline and is used with its data")
    )


def _readiness(before: Object, after: Mapping[str, Any]) -> Iterator[Event]:
    old, new = by_type(before).get("Ready", {}), by_type(after).get("Ready", {})
    if new.get("reason") == old.get("reason"):
        return
    if new.get("reason") == "Ready":
        yield Event("Normal", "Ready", _truncated(new["message"]))
    elif new.get("reason") == "Suspended":
        yield Event("Normal", "Suspended", _truncated(new["message"]))


def _truncated(message: str) -> str:
    raw = message.encode()
    return message if len(raw) <= _MAX_MESSAGE_BYTES else f"{raw[:_MAX_MESSAGE_BYTES].decode(errors='ignore')}..."
