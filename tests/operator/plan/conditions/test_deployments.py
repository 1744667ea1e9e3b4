"""Pods that cannot be created, and rollouts that exceed their deadline."""

from typing import Any

import pytest

from fakes.planned_cluster import PlannedCluster, converged, verdict

pytestmark = pytest.mark.unit


def without_pods(**condition: str) -> PlannedCluster:
    """A cluster in which Whisper has no pods, and its Deployment has this condition."""
    found = converged()
    found.pods = [pod for pod in found.pods if pod not in found.pods_of("whisper")]
    deployment = found.object("Deployment", "calls-whisper")
    generation = deployment["metadata"]["generation"]
    deployment["status"] = {"observedGeneration": generation, "unavailableReplicas": 1, "conditions": [condition]}
    return found


def failure(message: str) -> dict[str, Any]:
    return {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message}


def test_an_exceeded_quota_is_reported() -> None:
    words = "exceeded quota: small, requested: limits.cpu=2, used: limits.cpu=4, limited: limits.cpu=4"
    plan = without_pods(**failure(f'pods "calls-whisper-5d8f7-x2x9p" is forbidden: {words}')).plan()

    status, reason, message = verdict(plan, "WhisperAvailable")
    assert (status, reason) == ("False", "QuotaExceeded")
    assert words in message
    again = without_pods(**failure(f'pods "calls-whisper-5d8f7-b7c4q" is forbidden: {words}')).plan()
    assert verdict(again, "WhisperAvailable")[2] == message, "the pod name differs on every attempt"


def test_pods_rejected_by_pod_security_are_reported() -> None:
    words = (
        'pods "calls-whisper-5d8f7-x2x9p" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true'
    )
    plan = without_pods(**failure(words)).plan()

    assert verdict(plan, "WhisperAvailable")[1] == "FailedCreate"
    assert 'violates PodSecurity "restricted:latest"' in verdict(plan, "WhisperAvailable")[2]


def test_an_exceeded_progress_deadline_is_reported() -> None:
    plan = without_pods(
        type="Progressing", status="False", reason="ProgressDeadlineExceeded", message='ReplicaSet "x" has timed out.'
    ).plan()

    assert verdict(plan, "WhisperAvailable")[1] == "ProgressDeadlineExceeded"
