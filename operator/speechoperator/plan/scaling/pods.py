"""The state of a component from its Deployment and its pods, and the startup time that they show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechoperator.kube import objects
from speechoperator.plan.scaling.history import Startup
from speechoperator.plan.scaling.state import ComponentState

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from speechoperator.kube.objects import Object

LONGEST_STARTUP_S = 3600.0
"""A pod that was ready later than that has not measured a startup: it waited for something else."""

_FAILING = frozenset(
    {
        "CrashLoopBackOff",
        "CreateContainerConfigError",
        "CreateContainerError",
        "ErrImageNeverPull",
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "RunContainerError",
    }
)
"""Reasons of waiting containers that do not pass by waiting."""


def component_state(
    desired: int, pods: Sequence[Object], startup: Startup | None, now: datetime, node_grace_s: float
) -> ComponentState:
    """Return the state of a component.

    Args:
        desired: `spec.replicas` of its Deployment.
        pods: Its pods, including terminating and finished ones.
        startup: The startup time that earlier pods have shown.
        now: The time.
        node_grace_s: Seconds that a new node may take, during which a pod without one is no fault.
    """
    alive = [pod for pod in pods if objects.alive(pod)]
    ready = [pod for pod in alive if objects.holds(pod, "Ready")]
    pending = [pod for pod in alive if pod not in ready and not objects.holds(pod, "PodScheduled")]
    longest = max(LONGEST_STARTUP_S, 3 * startup.seconds if startup else 0.0)
    starting = [pod for pod in alive if pod not in ready and pod not in pending and _loads(pod, now, longest)]
    terminating = sum(1 for pod in pods if objects.terminating(pod) and not objects.finished(pod))
    # The pod that replaces another one in a rollout waits for its GPU, for as long as that one finishes its requests.
    draining = sum(1 for pod in pods if objects.seconds_of_drain(pod, now) is not None)
    stuck = [pod for pod in pending if _waits_too_long(pod, now, node_grace_s)][draining:]
    return ComponentState(
        desired=desired,
        ready=len(ready),
        starting=len(starting),
        pending=len(pending),
        unschedulable=len(stuck),
        terminating=terminating,
        scheduler_message=next((message for pod in stuck if (message := _scheduler_message(pod))), ""),
        startup_seconds=startup.seconds if startup else None,
    )


def measured_startup(pods: Sequence[Object], before: Startup | None) -> Startup | None:
    """Return the startup time with that of the pods that have become ready for the first time.

    The shortest of several counts: others may have waited for a node or for an image. A pod is measured once, because
    its readiness may change later.
    """
    starts = [
        (objects.created(pod), seconds)
        for pod in pods
        if (not before or objects.created(pod) > before.measured) and (seconds := _startup_seconds(pod)) is not None
    ]
    if not starts:
        return before
    return Startup(min(seconds for _, seconds in starts), max(created for created, _ in starts))


def _startup_seconds(pod: Object) -> float | None:
    """Return the seconds from the creation of a pod until it was ready; None if they are unknown."""
    ready = objects.condition(pod, "Ready") or {}
    since = ready.get("lastTransitionTime")
    if ready.get("status") != "True" or not since or not objects.created(pod) or not objects.alive(pod):
        return None
    if any(container.get("restartCount") for container in objects.containers(pod)):
        return None
    seconds = (objects.parse_time(since) - objects.parse_time(objects.created(pod))).total_seconds()
    return seconds if 0 <= seconds <= LONGEST_STARTUP_S else None


def _loads(pod: Object, now: datetime, longest_s: float) -> bool:
    """Return whether a pod on a node can still be expected to become ready: others must not block a scale-down."""
    containers = tuple(objects.containers(pod))
    states = (container.get("state") or {} for container in containers)
    fails = any((state.get("waiting") or {}).get("reason") in _FAILING for state in states)
    restarted = any(container.get("restartCount") for container in containers)
    created = objects.created(pod)
    age = (now - objects.parse_time(created)).total_seconds() if created else 0.0
    return not fails and not restarted and age < longest_s


def _waits_too_long(pod: Object, now: datetime, node_grace_s: float) -> bool:
    scheduled = objects.condition(pod, "PodScheduled") or {}
    since = scheduled.get("lastTransitionTime")
    if scheduled.get("status") != "False" or scheduled.get("reason", "Unschedulable") != "Unschedulable" or not since:
        return False
    return (now - objects.parse_time(since)).total_seconds() >= node_grace_s


def _scheduler_message(pod: Object) -> str:
    return " ".join(str((objects.condition(pod, "PodScheduled") or {}).get("message") or "").split())
