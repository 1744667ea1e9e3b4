"""Kubernetes objects as JSON: what identifies one, what its metadata, conditions and containers say."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

Object: TypeAlias = Mapping[str, Any]
"""A Kubernetes object, or a part of one, as JSON."""


class Key(NamedTuple):
    """Which pipeline."""

    namespace: str
    name: str


class Ref(NamedTuple):
    """Which object of a pipeline, in the pipeline's namespace."""

    kind: str
    name: str


def name(thing: Object) -> str:
    """Return an object's name."""
    found: str = thing["metadata"]["name"]
    return found


def uid(thing: Object) -> str:
    """Return an object's uid, empty where it has none yet."""
    found: str = thing["metadata"].get("uid", "")
    return found


def terminating(thing: Object) -> bool:
    """Tell whether an object is on its way out."""
    return "deletionTimestamp" in thing["metadata"]


def status(thing: Object) -> Object:
    """Return an object's status, empty where it has none yet."""
    found: Object = thing.get("status") or {}
    return found


def owners(thing: Object) -> frozenset[str]:
    """Return the uids of an object's owners; a PVC that outlives its pipeline has none."""
    return frozenset(owner["uid"] for owner in thing["metadata"].get("ownerReferences") or ())


def finished(pod: Object) -> bool:
    """Tell whether a pod has ended for good; its ReplicaSet has another one then."""
    return status(pod).get("phase") in {"Failed", "Succeeded"}


def alive(pod: Object) -> bool:
    """Tell whether a pod counts: it has not ended and nobody has deleted it."""
    return not terminating(pod) and not finished(pod)


def condition(thing: Object, kind: str) -> Object | None:
    """Return the condition of that type."""
    return next((found for found in status(thing).get("conditions") or () if found.get("type") == kind), None)


def holds(thing: Object, kind: str) -> bool:
    """Tell whether the condition of that type is True."""
    found = condition(thing, kind)
    return found is not None and found.get("status") == "True"


def containers(pod: Object) -> Iterator[Object]:
    """Return the states of a pod's containers, in the order in which they start."""
    said = status(pod)
    yield from said.get("initContainerStatuses") or ()
    yield from said.get("containerStatuses") or ()


def containers_ready(pod: Object) -> bool:
    """Tell whether the containers' own probes pass; the pod may still wait for its readiness gates."""
    told = status(pod).get("containerStatuses") or ()
    return bool(told) and all(container.get("ready") for container in told)


def gates(pod: Object) -> frozenset[str]:
    """Return the types of a pod's readiness gates."""
    return frozenset(gate["conditionType"] for gate in pod.get("spec", {}).get("readinessGates") or ())


def mounts(pod: Object) -> tuple[str, ...]:
    """Return the names of the PVCs that a pod, or the pods of a template, mount."""
    volumes = pod.get("spec", {}).get("volumes") or ()
    return tuple(claim["claimName"] for volume in volumes if (claim := volume.get("persistentVolumeClaim")))


def address(pod: Object, port: int) -> str | None:
    """Return the base URL of a port of a pod; None while it has no address."""
    ip: str = status(pod).get("podIP") or ""
    if not ip:
        return None
    return f"http://[{ip}]:{port}" if ":" in ip else f"http://{ip}:{port}"


def parse_time(text: str) -> datetime:
    """Read a time of the API: RFC 3339, in UTC."""
    return datetime.fromisoformat(text)


def format_time(moment: datetime) -> str:
    """Write a time as the API does: RFC 3339 in UTC, whole seconds."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
