"""The condition ScalingActive: whether the operator scales Whisper and Ollama with their load, and what limits it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechoperator.plan.conditions import refused_writes
from speechoperator.plan.conditions.findings import worst
from speechoperator.plan.conditions.reasons import Reason
from speechoperator.plan.conditions.verdicts import Verdict
from speechoperator.plan.snapshot import SCALE
from speechoperator.plan.text import counted, sentences

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from speechoperator.plan.conditions.findings import Finding
    from speechoperator.plan.scaler import ScalerPlan
    from speechoperator.plan.scaling.load import Loads
    from speechoperator.plan.scaling.replicas import Limit
    from speechoperator.plan.scaling.scale import ComponentDecision
    from speechoperator.plan.snapshot import Snapshot

_LIMITS: tuple[tuple[Limit, Reason, bool], ...] = (
    ("nodes", Reason.UNSCHEDULABLE, False),
    ("budget", Reason.LIMITED_BY_BUDGET, True),
    ("maximum", Reason.LIMITED_BY_MAXIMUM, True),
)
"""What limits the replicas, the most useful to report first: its reason, and the status of the condition."""


_VARYING = {one.text: one for one in (Reason.AUTO, Reason.LIMITED_BY_MAXIMUM, Reason.LIMITED_BY_BUDGET)}
"""Reasons that come and go with the load."""


def limits_of(found: Verdict | None) -> tuple[str, str] | None:
    """Return reason and message of a verdict that varies with the load; None for another."""
    return (found.reason.text, found.message) if found and found.reason.text in _VARYING else None


def as_reported(found: Verdict | None, limits: tuple[str, str] | None) -> Verdict | None:
    """Return the verdict with what the status says of the limits at the moment (`history.Reported`)."""
    if found is None or limits is None or found.reason.text not in _VARYING:
        return found
    reason, message = limits
    return Verdict(status=True, reason=_VARYING[reason], message=message)


def verdict(scaler: ScalerPlan, snapshot: Snapshot, now: datetime, *, suspended: bool) -> Verdict | None:
    """Return the verdict; None if the operator runs neither Whisper nor Ollama.

    Refused writes of replicas are reported here alone: the pipeline serves, if with other replicas than decided.

    Args:
        scaler: What the scaler decides.
        snapshot: The snapshot.
        now: The time.
        suspended: Whether the pipeline is suspended.
    """
    if scaler.spec.whisper is None and scaler.spec.ollama is None:
        return None
    if refused := worst(_refused(snapshot)):
        return refused.verdict
    if suspended:
        return Verdict(status=False, reason=Reason.SUSPENDED, message="spec.suspend is true")
    if scaler.spec.ignored and scaler.spec.mode != "Off":
        return _ignored(scaler.spec.ignored)
    if scaler.spec.mode == "Auto":
        return _automatic(scaler, snapshot.loads, now.timestamp())
    return _inactive(scaler)


def _ignored(schedules: Iterable[tuple[str, str]]) -> Verdict:
    unknown = "; ".join(f"schedule {name} is ignored: no time zone is named {zone}" for name, zone in schedules)
    advice = "Correct timeZone, such as Europe/Berlin or UTC; the rest of the spec is followed"
    return Verdict(status=False, reason=Reason.UNKNOWN_TIME_ZONE, message=sentences(unknown, advice))


def _automatic(scaler: ScalerPlan, loads: Loads, now: float) -> Verdict:
    if unknown := _without_load(scaler, loads, now):
        message = f"the load of {' and '.join(unknown)} is not known: replicas are kept within their bounds"
        return Verdict(status=None, reason=Reason.LOAD_UNKNOWN, message=message)
    for limit, reason, status in _LIMITS:
        for name, decision in _decided(scaler).items():
            if limit in decision.limited_by:
                return Verdict(status=status, reason=reason, message=f"{name}: {'; '.join(decision.limits)}")
    return Verdict(status=True, reason=Reason.AUTO, message=_bounds(scaler))


def _inactive(scaler: ScalerPlan) -> Verdict:
    if scaler.spec.mode == "Off":
        message = "spec.scaling.mode is Off: the replicas of Whisper and Ollama are left to another writer"
        return Verdict(status=False, reason=Reason.SCALING_OFF, message=message)
    advised = " and ".join(f"{counted(one.replicas, 'replica')} of {name}" for name, one in _decided(scaler).items())
    message = f"spec.scaling.mode is Advisory: {advised} recommended; nothing is written"
    return Verdict(status=False, reason=Reason.ADVISORY, message=message)


def _refused(snapshot: Snapshot) -> Iterator[Finding]:
    for failure in snapshot.failures:
        if failure.ref.kind == SCALE and (finding := refused_writes.finding(failure)):
            yield finding


def _decided(scaler: ScalerPlan) -> Mapping[str, ComponentDecision]:
    decision = scaler.decision
    found = {"whisper": decision.whisper, "ollama": decision.ollama} if decision else {}
    return {name: one for name, one in found.items() if one}


def _without_load(scaler: ScalerPlan, loads: Loads, now: float) -> list[str]:
    """Return the components that follow their load, and whose load is unknown."""
    every = (("whisper", scaler.spec.whisper, loads.whisper), ("ollama", scaler.spec.ollama, loads.ollama))
    return [name for name, scaling, load in every if scaling and not scaling.bounds.fixed and not load.known(now)]


def _bounds(scaler: ScalerPlan) -> str:
    every = (("whisper", scaler.spec.whisper), ("ollama", scaler.spec.ollama))
    parts = []
    for name, scaling in every:
        if scaling:
            low, high = scaling.bounds.minimum, scaling.bounds.maximum
            parts.append(f"{name}: {counted(high, 'replica')}" if low == high else f"{name}: {low} to {high} replicas")
    return ", ".join(parts)
