"""Kubernetes objects as JSON: their identity, and readers for metadata, conditions and containers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

Object: TypeAlias = Mapping[str, Any]
"""A Kubernetes object, or a part of one, as JSON."""

Json: TypeAlias = dict[str, Any]
"""The same, as it is sent or was received: the holder may change it."""

_REMOVAL_S = 30.0
"""What the kubelet may need from the end of the grace period until a pod is gone: to kill it and to unmount."""


class Key(NamedTuple):
    """The identity of a pipeline."""

    namespace: str
    name: str


class Ref(NamedTuple):
    """The identity of an object of a pipeline, in the pipeline's namespace."""

    kind: str
    name: str


def name(thing: Object) -> str:
    """Return an object's name."""
    found: str = thing["metadata"]["name"]
    return found


def uid(thing: Object) -> str:
    """Return an object's uid, "" before it has one."""
    found: str = thing["metadata"].get("uid", "")
    return found


def version(thing: Object) -> str:
    """Return an object's resourceVersion, "" before it has one."""
    found: str = thing["metadata"].get("resourceVersion", "")
    return found


def created(thing: Object) -> str:
    """Return when an object was created, "" before that; these times sort as text."""
    found: str = thing["metadata"].get("creationTimestamp") or ""
    return found


def terminating(thing: Object) -> bool:
    """Return whether an object is terminating."""
    return "deletionTimestamp" in thing["metadata"]


def status(thing: Object) -> Object:
    """Return an object's status, {} before it has one."""
    found: Object = thing.get("status") or {}
    return found


def owners(thing: Object) -> frozenset[str]:
    """Return the uids of an object's owners; a PVC that outlives its pipeline has none."""
    return frozenset(owner["uid"] for owner in thing["metadata"].get("ownerReferences") or ())


def finished(pod: Object) -> bool:
    """Return whether a pod has terminated for good; its ReplicaSet replaces it."""
    return status(pod).get("phase") in {"Failed", "Succeeded"}


def alive(pod: Object) -> bool:
    """Return whether a pod counts: it is neither finished nor terminating."""
    return not terminating(pod) and not finished(pod)


def seconds_of_drain(pod: Object, now: datetime) -> float | None:
    """Return how many seconds a terminating pod may still take to finish its requests; None if it does not drain.

    A pod's deletionTimestamp is the end of its grace period
    (https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/object-meta/). A pod that outlives it, or
    that the taint manager deleted from a node that may be down, stays until somebody removes it.
    """
    if not terminating(pod) or finished(pod):
        return None
    disrupted = condition(pod, "DisruptionTarget") or {}
    if disrupted.get("status") == "True" and disrupted.get("reason") == "DeletionByTaintManager":
        return None
    left = (parse_time(pod["metadata"]["deletionTimestamp"]) - now).total_seconds() + _REMOVAL_S
    return left if left > 0 else None


def condition(thing: Object, kind: str) -> Object | None:
    """Return the condition of that type."""
    return next((found for found in status(thing).get("conditions") or () if found.get("type") == kind), None)


def last_transition(thing: Object) -> str:
    """Return when a condition of an object last changed its status, "" if none has; these times sort as text."""
    return max((str(one.get("lastTransitionTime") or "") for one in status(thing).get("conditions") or ()), default="")


def holds(thing: Object, kind: str) -> bool:
    """Return whether the condition of that type is True."""
    found = condition(thing, kind)
    return found is not None and found.get("status") == "True"


def containers(pod: Object) -> Iterator[Object]:
    """Return the states of a pod's containers, in the order in which they start."""
    found = status(pod)
    yield from found.get("initContainerStatuses") or ()
    yield from found.get("containerStatuses") or ()


def init_container(pod: Object, name: str) -> Object | None:
    """Return the state of an init container, None before the kubelet has reported one."""
    states = status(pod).get("initContainerStatuses") or ()
    return next((state for state in states if state.get("name") == name), None)


def containers_ready(pod: Object) -> bool:
    """Return whether the readiness probes of the containers pass."""
    states = status(pod).get("containerStatuses") or ()
    return bool(states) and all(container.get("ready") for container in states)


def running(pod: Object) -> bool:
    """Return whether a pod has a running container."""
    return any("running" in (container.get("state") or {}) for container in containers(pod))


def started(pod: Object) -> bool:
    """Return whether the startup probes of the containers have passed; they may not be ready yet."""
    states = status(pod).get("containerStatuses") or ()
    return bool(states) and all(container.get("started") for container in states)


def mounts(pod: Object) -> tuple[str, ...]:
    """Return the names of the PVCs that a pod, or the pods of a template, mount."""
    volumes = pod.get("spec", {}).get("volumes") or ()
    return tuple(claim["claimName"] for volume in volumes if (claim := volume.get("persistentVolumeClaim")))


def volume(pod: Object, name: str) -> Object:
    """Return a volume of a pod, or of the pods of a template, by its name; empty if there is none."""
    volumes: list[Object] = pod.get("spec", {}).get("volumes") or []
    return next((one for one in volumes if one["name"] == name), {})


def claim(volume: Object) -> str:
    """Return the name of the PVC that a volume is; empty if it is none."""
    return str((volume.get("persistentVolumeClaim") or {}).get("claimName") or "")


def address(pod: Object, port: int) -> str | None:
    """Return the base URL of a port of a pod; None while the pod has no IP address."""
    ip: str = status(pod).get("podIP") or ""
    if not ip:
        return None
    return f"http://[{ip}]:{port}" if ":" in ip else f"http://{ip}:{port}"


def parse_time(text: str) -> datetime:
    """Parse a time of the API: RFC 3339, in UTC."""
    return datetime.fromisoformat(text)


def format_time(moment: datetime) -> str:
    """Format a time as the API does: RFC 3339 in UTC, whole seconds."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
