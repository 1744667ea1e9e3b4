"""Findings about PVCs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechoperator.kube import objects
from speechoperator.plan.conditions.findings import Finding
from speechoperator.plan.conditions.reasons import Reason
from speechoperator.plan.text import one_line

if TYPE_CHECKING:
    from speechoperator.api.names import Component
    from speechoperator.kube.objects import Object


def finding(pvc: Object, warning: str, component: Component) -> Finding | None:
    """Return why a PVC cannot be used.

    A pending PVC without a warning may be waiting for its pod (WaitForFirstConsumer) or its provisioner. If that lasts,
    the scheduler reports it for the pod.

    Args:
        pvc: A PVC created by the operator.
        warning: Its newest Warning Event, empty if none.
        component: The component whose models it stores.
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
    return Finding(Reason.PVC_NOT_BOUND, subject, one_line(warning))
