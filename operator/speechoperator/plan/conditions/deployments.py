"""What a Deployment's status says: how far a rollout is, and why pods are not even made."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from speechoperator.kube import objects
from speechoperator.plan.conditions.verdicts import Problem
from speechoperator.plan.text import clipped

if TYPE_CHECKING:
    from speechoperator.kube.objects import Object

_POD_NAME = re.compile(r'(pods "[^"]*-)[a-z0-9]{5}(?=")')
QUOTA = "exceeded quota"
"""In the words of the ResourceQuota plugin of the API server."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Pods of a Deployment, as its controller counted them.

    Attributes:
        there: Whether there is a Deployment.
        fresh: Whether it was counted for the spec that the Deployment has now.
        replicas: Pods in all.
        updated: Pods of the spec that it was counted for.
        ready: Pods that are ready.
    """

    there: bool = False
    fresh: bool = True
    replicas: int = 0
    updated: int = 0
    ready: int = 0


def counts(deployment: Object | None) -> Counts:
    """Read a Deployment's status; what is absent is 0."""
    if deployment is None:
        return Counts()
    said = objects.status(deployment)
    return Counts(
        there=True,
        fresh=said.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 0),
        replicas=said.get("replicas", 0),
        updated=said.get("updatedReplicas", 0),
        ready=said.get("readyReplicas", 0),
    )


def not_made(deployment: Object) -> Problem | None:
    """Return why pods cannot even be made; the Deployment hands on what its ReplicaSet was told."""
    failure = objects.condition(deployment, "ReplicaFailure")
    if failure is None or failure.get("status") != "True":
        return None
    subject = f"Deployment {objects.name(deployment)}"
    words = clipped(_POD_NAME.sub(r"\1...", failure.get("message") or ""))  # each try has another name
    if QUOTA in words:
        return Problem("QuotaExceeded", subject, words, "Raise the quota of the namespace")
    return Problem("PodsForbidden", subject, words)


def stuck(deployment: Object) -> Problem | None:
    """Return that a rollout has taken too long, for whatever reason."""
    progress = objects.condition(deployment, "Progressing") or {}
    if progress.get("reason") != "ProgressDeadlineExceeded":
        return None
    return Problem("RolloutStuck", f"Deployment {objects.name(deployment)}", clipped(progress.get("message") or ""))
