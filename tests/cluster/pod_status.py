"""The status of a pod as Kubernetes 1.34's scheduler and kubelet write it, for what may happen to it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cluster.api import Object


class Fate:
    """What happens to a pod. None: it runs."""


@dataclass(frozen=True)
class Unschedulable(Fate):
    message: str = (
        "0/1 nodes are available: 1 Insufficient nvidia.com/gpu. no new claims to deallocate, preemption: "
        "0/1 nodes are available: 1 No preemption victims found for incoming pod."
    )


@dataclass(frozen=True)
class Waiting(Fate):
    """Its containers wait: their image cannot be pulled, or they crashed `restarts` times with `last_words`."""

    reason: str
    message: str
    restarts: int = 0
    last_words: str = ""


@dataclass(frozen=True)
class NotReady(Fate):
    """It runs, and its readiness probe fails."""


def no_image(image: str) -> Waiting:
    why = f'failed to pull and unpack image "docker.io/{image}": docker.io/{image}: not found'
    return Waiting("ImagePullBackOff", f'Back-off pulling image "{image}": ErrImagePull: {why}')


def crashing(container: str, last_words: str, restarts: int = 3) -> Waiting:
    return Waiting("CrashLoopBackOff", f"back-off 40s restarting failed container={container}", restarts, last_words)


def unscheduled(fate: Unschedulable) -> dict[str, Any]:
    """What the scheduler writes when no node fits."""
    return {"phase": "Pending", "conditions": [_condition("PodScheduled", ("Unschedulable", fate.message))]}


def bound(pod: Object, address: str, fate: Fate | None) -> dict[str, Any]:
    """What the kubelet writes for a pod on its node."""
    containers = [_container(container, pod, fate) for container in pod["spec"]["containers"]]
    unready = [container["name"] for container in containers if not container["ready"]]
    return {
        "phase": "Pending" if isinstance(fate, Waiting) and not fate.restarts else "Running",
        "hostIP": "127.0.0.1",
        "podIP": address,
        "podIPs": [{"ip": address}],
        "startTime": pod["metadata"]["creationTimestamp"],
        "conditions": _conditions(pod, unready),
        "containerStatuses": containers,
    }


def differs(pod: Object, status: Mapping[str, Any]) -> bool:
    """Whether there is anything to write."""
    there = pod.get("status", {})
    conditions = _statuses(pod)
    return (
        any(conditions.get(one["type"]) != one["status"] for one in status["conditions"])
        or any(
            there.get(name) != value
            for name, value in status.items()
            if name not in {"conditions", "containerStatuses"}
        )
        or [one["state"] for one in there.get("containerStatuses", [])]
        != [one["state"] for one in status.get("containerStatuses", [])]
    )


def _container(container: Mapping[str, Any], pod: Object, fate: Fate | None) -> dict[str, Any]:
    waits = fate if isinstance(fate, Waiting) else None
    running = {"running": {"startedAt": pod["metadata"]["creationTimestamp"]}}
    return {
        "name": container["name"],
        "image": container["image"],
        "imageID": "",
        "ready": fate is None,
        "started": waits is None,
        "restartCount": waits.restarts if waits else 0,
        "state": {"waiting": {"reason": waits.reason, "message": waits.message}} if waits else running,
        **({"lastState": {"terminated": _terminated(pod, waits)}} if waits and waits.restarts else {}),
    }


def _terminated(pod: Object, fate: Waiting) -> dict[str, Any]:
    moment = pod["metadata"]["creationTimestamp"]
    ended = {"exitCode": 1, "reason": "Error", "startedAt": moment, "finishedAt": moment}
    return {**ended, "message": fate.last_words}  # by terminationMessagePolicy: FallbackToLogsOnError


def _conditions(pod: Object, unready: list[str]) -> list[dict[str, Any]]:
    """Ready is ContainersReady and every readiness gate; words of pkg/kubelet/status/generate.go."""
    contained = ("ContainersNotReady", f"containers with unready status: [{' '.join(unready)}]") if unready else None
    reasons = {
        "PodReadyToStartContainers": None,
        "Initialized": None,
        "Ready": contained or _closed_gate(pod),
        "ContainersReady": contained,
        "PodScheduled": None,
    }
    return [_condition(kind, why) for kind, why in reasons.items()]


def _closed_gate(pod: Object) -> tuple[str, str] | None:
    there = _statuses(pod)
    for gate in (gate["conditionType"] for gate in pod["spec"].get("readinessGates", [])):
        if gate not in there:
            return "ReadinessGatesNotReady", f'corresponding condition of pod readiness gate "{gate}" does not exist.'
        if there[gate] != "True":
            what = f'the status of pod readiness gate "{gate}" is not "True", but {there[gate]}'
            return "ReadinessGatesNotReady", what
    return None


def _statuses(pod: Object) -> dict[str, str]:
    return {one["type"]: one["status"] for one in pod.get("status", {}).get("conditions", [])}


def _condition(kind: str, why_not: tuple[str, str] | None) -> dict[str, Any]:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    reason, message = why_not or (None, None)
    status = "False" if why_not else "True"
    return {"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": now}
