"""Statuses of pods as the scheduler and the kubelet write them, and clusters in which a pod has one."""

from __future__ import annotations

from typing import Any

from fakes.planned_cluster import WRITTEN_NOON, PlannedCluster, converged

Object = dict[str, Any]

NO_GPU = (
    "0/1 nodes are available: 1 Insufficient nvidia.com/gpu. no new claims to deallocate, preemption: 0/1 nodes are "
    "available: 1 No preemption victims found for incoming pod."
)
NO_IMAGE = (
    'failed to pull and unpack image "docker.io/team/nosuch:1": failed to resolve reference '
    '"docker.io/team/nosuch:1": docker.io/team/nosuch:1: not found'
)


def unscheduled(message: str, since: str = WRITTEN_NOON) -> Object:
    """A pod without a node."""
    scheduled = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    return {"phase": "Pending", "conditions": [scheduled | {"lastTransitionTime": since}]}


def waiting(reason: str, message: str | None = None, last: Object | None = None) -> Object:
    """A pod on a node with a waiting container, which may have exited before."""
    return _on_a_node(
        {
            "ready": False,
            "started": False,
            "restartCount": 4 if last else 0,
            "state": {"waiting": {"reason": reason, **({"message": message} if message else {})}},
            "lastState": {"terminated": last} if last else {},
        },
        phase="Running" if last else "Pending",
    )


def unready(*, started: bool = True, last: Object | None = None) -> Object:
    """A pod whose container has been running since noon with a failing probe."""
    return _on_a_node(
        {
            "ready": False,
            "started": started,
            "restartCount": 1 if last else 0,
            "state": {"running": {"startedAt": WRITTEN_NOON}},
            "lastState": {"terminated": last} if last else {},
        }
    )


def terminated(code: int, reason: str = "Error", message: str = "") -> Object:
    """The state of a container that exited."""
    return {
        "exitCode": code,
        "reason": reason,
        "startedAt": WRITTEN_NOON,
        "finishedAt": WRITTEN_NOON,
        "message": message,
    }


def cluster_with(status: Object, *changes: Object, component: str = "whisper") -> PlannedCluster:
    """A converged cluster in which then the first pod of a component gets this status."""
    found = converged(*changes)
    found.settings = found.settings.model_copy(update={"unschedulable_grace": 0})
    found.pods_of(component)[0]["status"] = status
    found.settle()
    return found


def _on_a_node(container: Object, phase: str = "Running") -> Object:
    return {
        "phase": phase,
        "podIP": "10.0.0.9",
        "conditions": [
            {"type": "PodScheduled", "status": "True"},
            {"type": "ContainersReady", "status": "False", "reason": "ContainersNotReady"},
            {"type": "Ready", "status": "False", "reason": "ContainersNotReady"},
        ],
        "containerStatuses": [{"name": "whisper", "image": "team/nosuch:1", "imageID": "", **container}],
    }
