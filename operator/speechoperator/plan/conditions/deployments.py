"""The status of a Deployment: replica counts, and why pods cannot be created."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from speechoperator.kube import objects
from speechoperator.plan.conditions.findings import Finding
from speechoperator.plan.conditions.reasons import Reason
from speechoperator.plan.text import one_line

if TYPE_CHECKING:
    from speechoperator.kube.objects import Object

_POD_NAME = re.compile(r'(pods "[^"]*-)[a-z0-9]{5}(?=")')
QUOTA = "exceeded quota"
"""In the message of the API server's ResourceQuota plugin."""


@dataclass(frozen=True, slots=True)
class Counts:
    """The replicas of a Deployment as counted by its controller.

    Attributes:
        exists: Whether there is a Deployment.
        current: Whether the controller has observed the current spec of the Deployment.
        replicas: All replicas.
        updated: Replicas with the pod template that was observed.
        ready: Ready replicas.
    """

    exists: bool = False
    current: bool = True
    replicas: int = 0
    updated: int = 0
    ready: int = 0


def counts(deployment: Object | None) -> Counts:
    """Return the counts in a Deployment's status; missing ones are 0."""
    if deployment is None:
        return Counts()
    status = objects.status(deployment)
    return Counts(
        exists=True,
        current=status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 0),
        replicas=status.get("replicas", 0),
        updated=status.get("updatedReplicas", 0),
        ready=status.get("readyReplicas", 0),
    )


def creation_failure(deployment: Object) -> Finding | None:
    """Return why pods cannot be created: the error of the ReplicaSet, which the Deployment passes on."""
    failure = objects.condition(deployment, "ReplicaFailure")
    if failure is None or failure.get("status") != "True":
        return None
    subject = f"Deployment {objects.name(deployment)}"
    detail = one_line(_POD_NAME.sub(r"\1...", failure.get("message") or ""))  # each attempt has another pod name
    if QUOTA in detail:
        return Finding(Reason.QUOTA_EXCEEDED, subject, detail, "Raise the quota of the namespace")
    return Finding(Reason.FAILED_CREATE, subject, detail)


def deadline_exceeded(deployment: Object) -> Finding | None:
    """Return that a rollout has exceeded its progress deadline."""
    progress = objects.condition(deployment, "Progressing") or {}
    if progress.get("reason") != "ProgressDeadlineExceeded":
        return None
    subject = f"Deployment {objects.name(deployment)}"
    return Finding(Reason.PROGRESS_DEADLINE_EXCEEDED, subject, one_line(progress.get("message") or ""))
