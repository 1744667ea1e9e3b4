"""Rollouts that are stuck by a fault of Kubernetes, and how they go on.

The Deployment controller notes `spec.replicas` in the annotation `deployment.kubernetes.io/desired-replicas` of the
ReplicaSets that it scales. If the replicas change between two steps of a rollout, the only ReplicaSet with pods may
have as many as are wanted, and the number from before in its annotation. Then the controller takes each look at the
Deployment for a change of the replicas (`isScalingEvent`), finds nothing to scale (`scale`), and never gets to the
rollout: not to this one, and to none that follows. With the right number in the annotation it goes on.

Source: `pkg/controller/deployment/sync.go` of Kubernetes 1.34.4; https://github.com/kubernetes/kubernetes/pull/138036
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechoperator.kube import objects
from speechoperator.plan.actions import ResumeRollout

if TYPE_CHECKING:
    from datetime import datetime

    from speechoperator.kube.objects import Object, Ref

PATIENCE_S = 10.0
"""Seconds after the last step of a rollout within which the first new pod is usually created."""


def resumption(ref: Ref, deployment: Object, now: datetime) -> tuple[ResumeRollout | None, float | None]:
    """Return how a rollout without a new pod goes on, or in how many seconds that is due; None if nothing is to do.

    It may also wait for something else, such as a quota. Then its ReplicaSets have the right number, and the action
    writes nothing.

    Args:
        ref: The Deployment.
        deployment: The same, as observed.
        now: The time, in UTC.
    """
    spec, status = deployment["spec"], objects.status(deployment)
    replicas = spec.get("replicas", 1)
    current = status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 0)
    complete = status.get("replicas", 0) == replicas
    if not replicas or not current or not complete or status.get("updatedReplicas") or spec.get("paused"):
        return None, None
    stepped = (objects.condition(deployment, "Progressing") or {}).get("lastUpdateTime")
    passed = (now - objects.parse_time(stepped)).total_seconds() if stepped else PATIENCE_S
    if passed < PATIENCE_S:
        return None, PATIENCE_S - max(passed, 0.0)
    return ResumeRollout(ref, objects.uid(deployment), replicas), None
