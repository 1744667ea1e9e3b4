"""The conditions of a pipeline as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from speechoperator.api.status import CONDITION_TYPES
from speechoperator.kube import objects

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from speechoperator.kube.objects import Object
    from speechoperator.plan.conditions.verdicts import Verdict

_MAX_MESSAGE_CHARS = 32768
"""The limit of metav1.Condition."""

_STATUS = {True: "True", False: "False", None: "Unknown"}


def compose(verdicts: Mapping[str, Verdict], live: Object, generation: int, now: datetime) -> list[dict[str, Any]]:
    """Return the conditions as JSON, in the order of `CONDITION_TYPES`.

    Args:
        verdicts: The verdicts, by condition type.
        live: The current status, for the times of the last transitions.
        generation: The generation of the pipeline that the verdicts refer to.
        now: The time.
    """
    before = by_type(live)
    return [
        _condition(kind, verdicts[kind], before.get(kind, {}), generation, now)
        for kind in CONDITION_TYPES
        if kind in verdicts
    ]


def by_type(status: Object) -> dict[str, Object]:
    """Return the conditions of a status by type, ignoring malformed ones."""
    found = status.get("conditions")
    if not isinstance(found, list):
        return {}
    return {one["type"]: one for one in found if isinstance(one, dict) and isinstance(one.get("type"), str)}


def _condition(kind: str, verdict: Verdict, before: Object, generation: int, now: datetime) -> dict[str, Any]:
    status = _STATUS[verdict.status]
    transition = before.get("lastTransitionTime") if before.get("status") == status else None
    return {
        "type": kind,
        "status": status,
        "observedGeneration": generation,
        "lastTransitionTime": transition or objects.format_time(now),
        "reason": verdict.reason.text,
        "message": verdict.message[:_MAX_MESSAGE_CHARS],
    }
