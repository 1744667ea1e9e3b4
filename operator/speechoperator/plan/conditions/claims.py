"""What keeps a claim from being bound, in the words of its provisioner; and claims that are no longer used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechoperator.kube import objects
from speechoperator.plan.conditions.verdicts import Problem, Verdict
from speechoperator.plan.text import clipped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from speechoperator.kube.objects import Object

_BETWEEN = "; "


def problem(claim: Object, warning: str, part: str) -> Problem | None:
    """Return what keeps a claim from being used.

    A claim that is Pending without a warning may only wait for its pod (WaitForFirstConsumer) or its provisioner; where
    that lasts, the scheduler says so of the pod.

    Args:
        claim: A claim that the operator made.
        warning: Its newest Warning event, empty without one.
        part: The part whose models it keeps.
    """
    subject = f"claim {objects.name(claim)}"
    phase = objects.status(claim).get("phase", "Pending")
    if phase == "Lost":
        return Problem("ClaimUnbound", subject, "its volume is gone", "Delete the claim: the models are fetched anew")
    if objects.terminating(claim):
        advice = "It is made anew once no pod uses it any more"
        return Problem("ClaimUnbound", subject, "somebody has deleted it", advice)
    if phase == "Bound" or not warning:
        return None
    if "storageClassName" not in (claim.get("spec") or {}):
        advice = f"The cluster has no default StorageClass: set {part}.cache.storageClassName, or cache.ephemeral"
        return Problem("ClaimUnbound", subject, clipped(warning), advice)
    return Problem("ClaimUnbound", subject, clipped(warning))


def orphaned(names: Sequence[str], namespace: str) -> Verdict | None:
    """Return what the status says of claims that are kept and no longer used; None where there is none.

    It is no fault: nothing waits for it, and Ready does not depend on it.
    """
    if not names:
        return None
    return Verdict(holds=True, reason="NotUsed", message=_BETWEEN.join(_orphan(name, namespace) for name in names))


def each_orphan(message: str) -> tuple[str, ...]:
    """Return what a message of `orphaned` says of each claim; "" says nothing of one."""
    return tuple(message.split(_BETWEEN)) if message else ()


def _orphan(name: str, namespace: str) -> str:
    command = f"kubectl delete pvc {name} -n {namespace}"
    return f"PVC {name} is no longer used and keeps its data. Delete it with: {command}"
