"""The condition UpdateAvailable: whether a new release of the operator changes the pods, and when."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechoperator.plan.conditions.reasons import Reason
from speechoperator.plan.conditions.verdicts import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from speechoperator.plan.actions import UpdateState


def verdict(updates: Sequence[str], state: UpdateState, policy: str) -> Verdict | None:
    """Return the verdict on an update; None if there is none.

    Args:
        updates: The pending updates, for people.
        state: Whether they wait, or are in progress.
        policy: `spec.upgradePolicy`.
    """
    listed = f": {', '.join(updates)}" if updates else ""
    if state == "running":
        return Verdict(status=True, reason=Reason.UPDATING, message=f"the pods are being replaced{listed}")
    if updates and policy == "Manual":
        advice = "Set spec.upgradePolicy to Automatic to replace the pods"
        return Verdict(
            status=True, reason=Reason.UPDATE_HELD, message=f"spec.upgradePolicy is Manual{listed}. {advice}"
        )
    if state == "waiting":
        message = f"waiting for other pipelines to be updated{listed}"
        return Verdict(status=True, reason=Reason.UPDATE_QUEUED, message=message)
    return None
