"""What keeps a pod from serving, in the words of the scheduler and the kubelet.

Reasons of waiting containers: kubelet's `pkg/kubelet/container/sync_result.go` and `pkg/kubelet/images/types.go`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from speechoperator.kube import objects
from speechoperator.plan.conditions.verdicts import Problem
from speechoperator.plan.text import clipped, last_words

if TYPE_CHECKING:
    from datetime import datetime

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
_NO_OBJECT = re.compile(r'(secret|configmap) "[^"]*" not found|references non-existent', re.IGNORECASE)
_OF_SCHEDULER = "nodes are available"
_NO_CLAIM = re.compile(r'persistentvolumeclaim "[^"]*" (not found|is being deleted)')
_UNBOUND = "unbound immediate PersistentVolumeClaims"
_BOUND_SOON = 5.0
_READY_SOON = 30.0
_STARTED_SOON = 600.0  # weights may be downloaded


def problem(pod: Object, warning: str, now: datetime, *, gpu: str = "", part: str = "") -> Problem | None:
    """Return what keeps a pod from serving that does not pass by waiting.

    Args:
        pod: The pod.
        warning: Its newest Warning event, empty without one.
        now: The time: a pod may take a while to start.
        gpu: Name of the resource by which its part asks for GPUs, empty without any.
        part: Its part, for advice that names a field of the spec.
    """
    subject = f"pod {objects.name(pod)}"
    if objects.finished(pod):
        return _ended(pod, subject)
    scheduled = objects.condition(pod, "PodScheduled")
    if scheduled is not None and scheduled.get("status") == "False":
        return _unscheduled(scheduled, subject, now, gpu, part)
    for container in objects.containers(pod):
        if found := _container(container, subject, part):
            return found
    if objects.containers_ready(pod):
        return None
    return _slow(pod, subject, warning, now)


def patience(pod: Object, now: datetime) -> float | None:
    """Return in how many seconds a pod that is not ready will have taken too long, None where no such time comes."""
    waits = [limit - since for since, limit in _running(pod, now) if limit > since]
    scheduled = objects.condition(pod, "PodScheduled")
    if scheduled is not None and _UNBOUND in (scheduled.get("message") or ""):
        waits.append(_BOUND_SOON - _unbound_since(scheduled, now))
    return min((wait for wait in waits if wait > 0), default=None)


def _unbound_since(scheduled: Object, now: datetime) -> float:
    """Return for how many seconds a pod has waited for its claim: a provisioner takes a moment."""
    since = scheduled.get("lastTransitionTime")
    return (now - objects.parse_time(since)).total_seconds() if since else _BOUND_SOON


def _unscheduled(scheduled: Object, subject: str, now: datetime, gpu: str, part: str) -> Problem | None:
    words = clipped(scheduled.get("message") or scheduled.get("reason") or "waits for a node")
    if _NO_CLAIM.search(words):
        return Problem("ClaimMissing", subject, words, f"Make the claim, or change {part}.cache.existingClaim")
    if _UNBOUND in words:
        return None if _unbound_since(scheduled, now) < _BOUND_SOON else Problem("ClaimUnbound", subject, words)
    if gpu and f"Insufficient {gpu}" in words:
        advice = f"Free a GPU or add a node that offers {gpu}; without {part}.gpu it runs on the CPU"
        return Problem("Unschedulable", subject, words, advice)
    return Problem("Unschedulable", subject, words)


def _container(container: Object, subject: str, part: str) -> Problem | None:
    state = container.get("state") or {}
    waiting = state.get("waiting") or {}
    reason, words = waiting.get("reason", ""), waiting.get("message", "")
    if reason in _IMAGE:
        return Problem("ImagePullFailed", subject, _image_words(container, words))
    if reason in _CONFIG:
        return Problem("ConfigError", subject, clipped(words or reason))
    ended = state.get("terminated") or (container.get("lastState") or {}).get("terminated")
    if reason in _CRASH or (ended and not container.get("ready") and _by_itself(ended)):
        return _crash(container, ended or {}, words, subject, part)
    return None


def _image_words(container: Object, words: str) -> str:
    """Return the kubelet's words without the prefix that comes and goes with every try."""
    return clipped(_BACK_OFF.sub("", words)) or f"image {container.get('image', '')} cannot be pulled"


def _by_itself(ended: Object) -> bool:
    """Tell whether a container failed; what a restart of the node took with it has the reason Unknown."""
    return bool(ended.get("exitCode")) and ended.get("reason") != "Unknown"


def _crash(container: Object, ended: Object, words: str, subject: str, part: str) -> Problem:
    name = container.get("name", "")
    if not ended:
        return Problem("CrashLooping", subject, f"container {name} does not start: {clipped(words)}")
    reason = ended.get("reason", "")
    why = f" ({reason})" if reason not in {"", "Error"} else ""
    said = last_words(ended.get("message", ""))
    text = f"container {name} ended with exit code {ended.get('exitCode', 0)}{why}"
    advice = f"Raise {part}.resources.limits.memory" if reason == "OOMKilled" else ""
    return Problem("CrashLooping", subject, f"{text}: {said}" if said else text, advice)


def _slow(pod: Object, subject: str, warning: str, now: datetime) -> Problem | None:
    running = list(_running(pod, now))
    if not running and warning and _OF_SCHEDULER not in warning:
        reason = "ConfigError" if _NO_OBJECT.search(warning) else "StartBlocked"
        return Problem(reason, subject, clipped(warning))
    for since, limit in running:
        if since >= limit:
            words = warning or f"its containers run, but have not been ready for more than {limit:.0f} s"
            return Problem("ProbeFailing", subject, clipped(words))
    return None


def _running(pod: Object, now: datetime) -> list[tuple[float, float]]:
    """Return, for each container that runs and is not ready, since how many seconds, and how many are too many."""
    found = []
    for container in objects.containers(pod):
        started = ((container.get("state") or {}).get("running") or {}).get("startedAt")
        if started and not container.get("ready"):
            limit = _READY_SOON if container.get("started") else _STARTED_SOON
            found.append(((now - objects.parse_time(started)).total_seconds(), limit))
    return found


def _ended(pod: Object, subject: str) -> Problem | None:
    said = objects.status(pod)
    if said.get("phase") == "Succeeded":
        return None
    words = ": ".join(filter(None, (said.get("reason", ""), said.get("message", "")))) or "failed"
    return Problem("PodFailed", subject, clipped(words))
