"""The plan for a pipeline that cannot be planned at present: report why, change nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from speechoperator.plan.actions import Plan
from speechoperator.plan.conditions import refused_writes
from speechoperator.plan.conditions.compose import by_type, compose
from speechoperator.plan.conditions.reasons import Reason
from speechoperator.plan.conditions.verdicts import Verdict
from speechoperator.plan.events import events

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from speechoperator.kube.objects import Object
    from speechoperator.plan.snapshot import WriteFailure


def unlisted(raw: Object, failures: Sequence[WriteFailure], now: datetime) -> Plan:
    """Return the plan while a kind of object has never been listed: any object of it may exist.

    Args:
        raw: The pipeline as returned by the API server.
        failures: Which kinds cannot be listed, and why; empty if their lists are only not complete yet.
        now: The time, in UTC.
    """
    verdict = refused_writes.unreadable(failures)
    return _interrupted(raw, verdict, now) if verdict else Plan(status=dict(raw.get("status") or {}))


def failed(raw: Object, where: str, now: datetime) -> Plan:
    """Return the plan after an unexpected exception.

    Args:
        raw: The pipeline as returned by the API server.
        where: The type of the exception and where it was raised; its text may contain a secret.
        now: The time, in UTC.
    """
    message = f"the operator failed unexpectedly ({where}) and retries; its log has the details"
    return _interrupted(raw, Verdict(status=False, reason=Reason.RECONCILE_FAILED, message=message), now)


def _interrupted(raw: Object, verdict: Verdict, now: datetime) -> Plan:
    """Report a verdict as Progressing; as Ready only if the pipeline was not ready with its current spec."""
    found = raw.get("status")
    live: Mapping[str, Any] = found if isinstance(found, dict) else {}
    kept, generation = by_type(live), raw.get("metadata", {}).get("generation", 0)
    ready = kept.get("Ready", {})
    serves = ready.get("status") == "True" and ready.get("observedGeneration") == generation
    verdicts = {"Progressing": verdict, **({} if serves else {"Ready": replace(verdict, status=False)})}
    new = {one["type"]: one for one in compose(verdicts, live, generation, now)}
    conditions = [*(new.pop(kind, one) for kind, one in kept.items()), *new.values()]
    status = {**live, "conditions": conditions}
    return Plan(status=status, events=events(live, status))
