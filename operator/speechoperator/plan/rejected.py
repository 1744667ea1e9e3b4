"""The plan for an object that is not a valid pipeline: report the error, change nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from speechoperator.plan.actions import Plan
from speechoperator.plan.conditions.compose import by_type, compose
from speechoperator.plan.conditions.reasons import Reason
from speechoperator.plan.conditions.verdicts import Verdict
from speechoperator.plan.events import events
from speechoperator.plan.rollout.replica_numbers import SCALED
from speechoperator.plan.text import one_line, sentences

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from speechoperator.kube.objects import Object


def rejected(raw: Object, error: str, now: datetime) -> Plan:
    """Return the plan for an invalid object, for instance one admitted by an older CRD.

    Components keep running as in the last valid spec, and the rest of the status keeps reporting on them. Ready is set
    only if it has never been, or if a component is scaled to zero: nothing starts it. The generation counts as
    observed, and Stalled tells tools that nothing will come of it.

    Args:
        raw: The object as returned by the API server.
        error: What is invalid, from `format_validation_error`.
        now: The time, in UTC.
    """
    found = raw.get("status")
    live: Mapping[str, Any] = found if isinstance(found, dict) else {}
    verdict = Verdict(status=False, reason=Reason.INVALID_SPEC, message=one_line(error) or "the spec is invalid")
    asleep = [name for name in sorted(SCALED) if _desired(live, name) == 0]
    why = f"Scaled to zero, and not started until the spec is valid: {' and '.join(asleep)}" if asleep else ""
    unready = replace(verdict, message=sentences(verdict.message, why))
    kept = by_type(live)
    kept.pop("Reconciling", None)
    verdicts = {
        "Accepted": verdict,
        **({"Ready": unready} if asleep or "Ready" not in kept else {}),
        "Stalled": replace(verdict, status=True),
    }
    generation = raw.get("metadata", {}).get("generation", 0)
    new = {one["type"]: one for one in compose(verdicts, live, generation, now)}
    status = {
        **live,
        "observedGeneration": generation,
        "conditions": [*new.values(), *(one for kind, one in kept.items() if kind not in new)],
    }
    return Plan(status=status, events=events(live, status))


def _desired(status: Mapping[str, Any], component: str) -> object:
    found = status.get(component)
    return found.get("desired") if isinstance(found, dict) else None
