"""The plan for an object that is no valid pipeline: nothing is touched, and it says so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from speechoperator.plan.actions import Plan
from speechoperator.plan.conditions.compose import by_type, compose
from speechoperator.plan.conditions.verdicts import Verdict
from speechoperator.plan.events import events
from speechoperator.plan.text import clipped

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from speechoperator.kube.objects import Object


def rejected(raw: Object, error: str, now: datetime) -> Plan:
    """Decide about an object that slipped through, by an older definition for instance.

    What runs goes on as the last valid spec wanted it, and the rest of the status goes on telling of that. Only where
    nobody ever said whether it is ready, that is said too.

    Args:
        raw: The object as the API gave it.
        error: What is wrong with it, as `format_validation_error` puts it.
        now: The time, in UTC.
    """
    status = raw.get("status")
    live: Mapping[str, Any] = status if isinstance(status, dict) else {}
    verdict = Verdict(holds=False, reason="NotAccepted", message=clipped(error) or "the spec is not valid")
    kept = by_type(live)
    verdicts = {"Accepted": verdict, **({} if "Ready" in kept else {"Ready": verdict})}
    generation = raw.get("metadata", {}).get("generation", 0)
    new = {one["type"]: one for one in compose(verdicts, live, generation, now)}
    said = {**live, "conditions": [*new.values(), *(one for kind, one in kept.items() if kind not in new)]}
    return Plan(status=said, events=events(live, said))
