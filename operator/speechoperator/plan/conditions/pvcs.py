"""Findings about PVCs, and the verdict on PVCs that are no longer used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechoperator.kube import objects, quantities
from speechoperator.plan.conditions.findings import Finding
from speechoperator.plan.conditions.reasons import Reason
from speechoperator.plan.conditions.verdicts import Verdict
from speechoperator.plan.text import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from speechoperator.api.names import Component
    from speechoperator.kube.objects import Object

_SEPARATOR = "; "


def finding(pvc: Object, warning: str, component: Component, size: str = "") -> Finding | None:
    """Return why a PVC cannot be used.

    A pending PVC without a warning may be waiting for its pod (WaitForFirstConsumer) or its provisioner. If that lasts,
    the scheduler reports it for the pod.

    Args:
        pvc: A PVC created by the operator.
        warning: Its newest Warning Event, empty if none.
        component: The component whose models it stores.
        size: Its size in the spec; empty if that does not matter.
    """
    subject = f"PVC {objects.name(pvc)}"
    phase = objects.status(pvc).get("phase", "Pending")
    if phase == "Lost":
        advice = "Delete the PVC: models are downloaded again"
        return Finding(Reason.PVC_NOT_BOUND, subject, "its PersistentVolume is lost", advice)
    if objects.terminating(pvc):
        return Finding(Reason.PVC_NOT_BOUND, subject, "it is being deleted", "It is recreated after its pods are gone")
    if phase == "Bound" or not warning:
        return None
    if "storageClassName" not in (pvc.get("spec") or {}):
        advice = f"The cluster has no default StorageClass: set {component}.cache.storageClassName or cache.ephemeral"
        return Finding(Reason.PVC_NOT_BOUND, subject, one_line(warning), advice)
    kept = _requested(pvc)
    if size and quantities.value(kept) != quantities.value(size):
        advice = f"Its size stays {kept} until it is bound. Delete the PVC: it is recreated with {size}"
        return Finding(Reason.PVC_NOT_BOUND, subject, one_line(warning), advice)
    return Finding(Reason.PVC_NOT_BOUND, subject, one_line(warning))


def kept_size(pvc: Object, size: str) -> str:
    """Return that a PVC is larger than the spec asks for; empty if it is not. It is no finding.

    Args:
        pvc: A PVC created by the operator.
        size: Its size in the spec.
    """
    kept = _requested(pvc)
    if quantities.value(kept) <= quantities.value(size):
        return ""
    return f"PVC {objects.name(pvc)} keeps {kept}: it cannot shrink to {size}"


def blocked_move(component: Component, why: str) -> Finding:
    """Return that the pods of a component cannot move to the PVC of their spec.

    Args:
        component: The component.
        why: Why the PVC cannot be used.
    """
    subject = f"{component}.cache.existingClaim"
    advice = "The pods keep their previous volume until then. Create the PVC, or change existingClaim"
    return Finding(Reason.PVC_NOT_FOUND, subject, one_line(why), advice)


def orphaned(names: Sequence[str], namespace: str) -> Verdict | None:
    """Return the verdict on PVCs that are kept but no longer used; None if there are none.

    It is not a finding: nothing waits for it, and Ready does not depend on it.
    """
    if not names:
        return None
    message = _SEPARATOR.join(_orphan(name, namespace) for name in names)
    return Verdict(status=True, reason=Reason.NOT_USED, message=message)


def messages_by_pvc(message: str) -> tuple[str, ...]:
    """Split a message of `orphaned` into the messages about each PVC."""
    return tuple(message.split(_SEPARATOR)) if message else ()


def _requested(pvc: Object) -> str:
    requested: str = pvc["spec"]["resources"]["requests"]["storage"]
    return requested


def _orphan(name: str, namespace: str) -> str:
    command = f"kubectl delete pvc {name} -n {namespace}"
    return f"PVC {name} is no longer used by this pipeline. If nothing else needs its data, delete it with: {command}"
