"""Findings about pods, in the words of the scheduler and the kubelet.

Reasons of waiting containers: kubelet's `pkg/kubelet/container/sync_result.go` and `pkg/kubelet/images/types.go`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from speechoperator.api.names import CACHE_VOLUME, FETCH
from speechoperator.kube import objects
from speechoperator.plan.conditions.findings import Finding
from speechoperator.plan.conditions.reasons import Reason
from speechoperator.plan.models import weights
from speechoperator.plan.text import log_tail, one_line

if TYPE_CHECKING:
    from datetime import datetime

    from speechoperator.api.names import Component
    from speechoperator.kube.objects import Object

_IMAGE = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "ErrImageNeverPull",
        "ImageInspectError",
        "RegistryUnavailable",
        "SignatureValidationFailed",
    }
)
_CONFIG = frozenset({"CreateContainerConfigError", "CreateContainerError", "PreCreateHookError", "PreStartHookError"})
_CRASH = frozenset({"CrashLoopBackOff", "RunContainerError", "PostStartHookError"})
_BACK_OFF = re.compile(r'^Back-off pulling image "[^"]*": (ErrImagePull: )?')
_MISSING_OBJECT = re.compile(r'(secret|configmap) "[^"]*" not found|references non-existent', re.IGNORECASE)
_FROM_SCHEDULER = "nodes are available"
_MISSING_PVC = re.compile(r'persistentvolumeclaim "[^"]*" (not found|is being deleted)')
_LACKS_MODELS = "missing models:"
"""What the readiness probe of Ollama says; its Event may be older than the pull of the models."""
_UNBOUND_PVC = "unbound immediate PersistentVolumeClaims"
_MAY_STILL_SCALE_UP = ("in backoff after failed scale-up", "not ready for scale-up")
"""Reasons of the cluster autoscaler for which a node may still be added, without a change of the pod or the cluster."""
_FULL_CACHE = f'EmptyDir volume "{CACHE_VOLUME}" exceeds the limit'
"""How the kubelet says that a pod has more in its cache than fits: `emptyDirMessageFmt` of `pkg/kubelet/eviction`."""
_BINDING_GRACE_S = 60.0
_READINESS_GRACE_S = 30.0
_STARTUP_GRACE_S = 600.0  # weights may be downloaded


def finding(
    pod: Object, warning: str, now: datetime, component: Component, gpu: str = "", node_grace_s: float = 0.0
) -> Finding | None:
    """Return why a pod does not serve, if that does not pass by waiting.

    Args:
        pod: The pod.
        warning: Its newest Warning Event, empty if none; of a pod without a node, the cluster autoscaler's if that
            adds none.
        now: The time: a pod may take a while to start.
        component: Its component, for advice that names a field of the spec.
        gpu: The extended resource by which the component requests GPUs, empty without GPUs.
        node_grace_s: Seconds it may wait for a node, which an autoscaler may be adding.
    """
    subject = f"pod {objects.name(pod)}"
    if objects.finished(pod):
        return _finished(pod, subject, component)
    scheduled = objects.condition(pod, "PodScheduled")
    if scheduled is not None and scheduled.get("status") == "False":
        if found := _without_volume(scheduled, subject, now, component):
            return found
        return _unschedulable(scheduled, subject, warning, now, component, gpu, node_grace_s)
    for container in objects.containers(pod):
        if found := _container(container, subject, component):
            return found
    if objects.containers_ready(pod):
        return None
    return _slow(pod, subject, warning, now)


def filled_its_cache(pod: Object) -> bool:
    """Return whether a pod was evicted because it has more in its cache than fits."""
    status = objects.status(pod)
    return status.get("reason") == "Evicted" and _FULL_CACHE in (status.get("message") or "")


def seconds_until_overdue(pod: Object, now: datetime, node_grace_s: float) -> float | None:
    """Return the seconds until an unready pod becomes a finding by time alone; None if it does not."""
    waits = [limit - elapsed for elapsed, limit in _unready_containers(pod, now) if limit > elapsed]
    scheduled = objects.condition(pod, "PodScheduled") or {}
    if scheduled.get("status") == "False":
        unbound = _UNBOUND_PVC in (scheduled.get("message") or "")
        grace = _BINDING_GRACE_S if unbound else node_grace_s
        waits.append(grace - _seconds_unscheduled(scheduled, now, grace))
    return min((wait for wait in waits if wait > 0), default=None)


def waits_for_node(pod: Object) -> str:
    """Return why no node fits a pod, in the scheduler's words; "" if it waits for something else."""
    scheduled = objects.condition(pod, "PodScheduled") or {}
    message = one_line(scheduled.get("message") or "")
    return message if scheduled.get("status") == "False" and _UNBOUND_PVC not in message else ""


def _seconds_unscheduled(scheduled: Object, now: datetime, unknown: float) -> float:
    """Return how long a pod has waited for its PVC or for a node."""
    since = scheduled.get("lastTransitionTime")
    return (now - objects.parse_time(since)).total_seconds() if since else unknown


def _without_volume(scheduled: Object, subject: str, now: datetime, component: Component) -> Finding | None:
    """Return that a pod has no node because of its PVC; None if it waits for something else."""
    detail = _scheduler_message(scheduled)
    if _MISSING_PVC.search(detail):
        advice = f"Create the PVC, or change {component}.cache.existingClaim"
        return Finding(Reason.PVC_NOT_FOUND, subject, detail, advice)
    if _UNBOUND_PVC in detail and _seconds_unscheduled(scheduled, now, _BINDING_GRACE_S) >= _BINDING_GRACE_S:
        return Finding(Reason.PVC_NOT_BOUND, subject, detail)
    return None


def _unschedulable(
    scheduled: Object, subject: str, warning: str, now: datetime, component: Component, gpu: str, node_grace_s: float
) -> Finding | None:
    """Return that no node fits a pod, and none is being added: the autoscaler says so, or it has taken too long."""
    detail = _scheduler_message(scheduled)
    if _UNBOUND_PVC in detail:
        return None
    no_scale_up = bool(warning) and not any(passing in warning for passing in _MAY_STILL_SCALE_UP)
    if not no_scale_up and _seconds_unscheduled(scheduled, now, node_grace_s) < node_grace_s:
        return None
    advice = ""
    if gpu and f"Insufficient {gpu}" in detail:
        advice = f"Free a GPU, add a node with {gpu}, or remove {component}.gpu to run on the CPU"
    words = f"{detail}; cluster autoscaler: {one_line(warning)}" if warning else detail
    return Finding(Reason.UNSCHEDULABLE, subject, words, advice)


def _scheduler_message(scheduled: Object) -> str:
    return one_line(scheduled.get("message") or scheduled.get("reason") or "waiting for a node")


def _container(container: Object, subject: str, component: Component) -> Finding | None:
    state = container.get("state") or {}
    waiting = state.get("waiting") or {}
    reason, message = waiting.get("reason", ""), waiting.get("message", "")
    if reason in _IMAGE:
        return Finding(Reason.IMAGE_PULL_BACK_OFF, subject, _image_error(container, message))
    if reason in _CONFIG:
        return Finding(Reason.CREATE_CONTAINER_CONFIG_ERROR, subject, one_line(message or reason))
    terminated = state.get("terminated") or (container.get("lastState") or {}).get("terminated")
    if reason in _CRASH or (terminated and not container.get("ready") and _crashed(terminated)):
        return _crash(container, terminated or {}, message, subject, component)
    return None


def _image_error(container: Object, message: str) -> str:
    """Return the kubelet's message without the prefix that alternates between attempts."""
    return one_line(_BACK_OFF.sub("", message)) or f"image {container.get('image', '')} cannot be pulled"


def _crashed(terminated: Object) -> bool:
    """Return whether a container failed by itself; the reason is Unknown if the node was restarted."""
    return bool(terminated.get("exitCode")) and terminated.get("reason") != "Unknown"


def _crash(container: Object, terminated: Object, message: str, subject: str, component: Component) -> Finding:
    name = container.get("name", "")
    if not terminated:
        return Finding(Reason.CRASH_LOOP_BACK_OFF, subject, f"container {name} does not start: {one_line(message)}")
    if name == FETCH:
        error = weights.failure(container) or f"exited with code {terminated.get('exitCode', 0)}"
        return Finding(Reason.PULL_FAILED, subject, f"the weights cannot be fetched: {error}")
    reason = terminated.get("reason", "")
    why = f" ({reason})" if reason not in {"", "Error"} else ""
    log = log_tail(terminated.get("message", ""))
    detail = f"container {name} exited with code {terminated.get('exitCode', 0)}{why}"
    advice = f"Increase {component}.resources.limits.memory" if reason == "OOMKilled" else ""
    return Finding(Reason.CRASH_LOOP_BACK_OFF, subject, f"{detail}: {log}" if log else detail, advice)


def _slow(pod: Object, subject: str, warning: str, now: datetime) -> Finding | None:
    unready = list(_unready_containers(pod, now))
    if not unready and warning and _FROM_SCHEDULER not in warning:
        missing = _MISSING_OBJECT.search(warning)
        reason = Reason.CREATE_CONTAINER_CONFIG_ERROR if missing else Reason.START_BLOCKED
        return Finding(reason, subject, one_line(warning))
    for elapsed, limit in unready:
        if elapsed >= limit and _LACKS_MODELS not in warning:
            detail = warning or f"its containers are running but have not become ready within {limit:.0f} s"
            return Finding(Reason.PROBE_FAILING, subject, one_line(detail))
    return None


def _unready_containers(pod: Object, now: datetime) -> list[tuple[float, float]]:
    """Return for each running, unready container how many seconds it has been running, and how many it may."""
    found = []
    for container in objects.containers(pod):
        started = ((container.get("state") or {}).get("running") or {}).get("startedAt")
        if started and not container.get("ready"):
            limit = _READINESS_GRACE_S if container.get("started") else _STARTUP_GRACE_S
            found.append(((now - objects.parse_time(started)).total_seconds(), limit))
    return found


def _finished(pod: Object, subject: str, component: Component) -> Finding | None:
    status = objects.status(pod)
    if status.get("phase") == "Succeeded":
        return None
    detail = ": ".join(filter(None, (status.get("reason", ""), status.get("message", "")))) or "failed"
    advice = f"Increase {component}.cache.size" if filled_its_cache(pod) else ""
    return Finding(Reason.POD_FAILED, subject, one_line(detail), advice)
