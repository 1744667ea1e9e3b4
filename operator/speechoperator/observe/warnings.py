"""Warnings that the API server has beside the watched objects: Events and missing IngressClasses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechoperator.kube import kinds
from speechoperator.kube.errors import ApiError
from speechoperator.telemetry import logs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from speechoperator.kube.client import Cluster
    from speechoperator.kube.objects import Object


_DEFAULT_CLASS = "ingressclass.kubernetes.io/is-default-class"


_FAULTS = {"FailedBinding"}  # told as Normal, though nothing goes on until a person does something


async def missing_class(cluster: Cluster, name: str) -> str | None:
    """Return the IngressClass that is not there ("" for a default that is not there), None when all is well.

    Where the operator may not look, all counts as well: the ingress may work all the same.
    """
    try:
        classes, _ = await cluster.list(kinds.INGRESS_CLASS)
    except ApiError as error:
        logs.debug("cannot see the ingress classes", reason=error.advice)
        return None
    if name:
        return None if any(item["metadata"]["name"] == name for item in classes) else name
    marked = (item["metadata"].get("annotations") or {} for item in classes)
    return None if any(annotations.get(_DEFAULT_CLASS) == "true" for annotations in marked) else ""


async def warning(cluster: Cluster, namespace: str, uid: str) -> str:
    """Return the warning that is the newest Event on an object, "" when the newest one tells of something good."""
    try:
        events, _ = await cluster.list(kinds.EVENT, namespace, fields=f"involvedObject.uid={uid}")
    except ApiError as error:
        logs.debug("cannot see the events", reason=error.advice)
        return ""
    return newest_warning(events)


def newest_warning(events: Sequence[Object]) -> str:
    """Return the message of the newest Event where that is a warning; of two in one second the warning counts."""
    newest = max(events, key=lambda event: (_moment(event), _is_fault(event)), default=None)
    return str(newest.get("message", "")) if newest and _is_fault(newest) else ""


def _is_fault(event: Object) -> bool:
    return event.get("type") == "Warning" or event.get("reason") in _FAULTS


def _moment(event: Object) -> str:
    """Return when an Event was last seen, to the second; such times compare as text."""
    series = (event.get("series") or {}).get("lastObservedTime")
    seen = series or event.get("lastTimestamp") or event.get("eventTime") or event["metadata"].get("creationTimestamp")
    return str(seen or "")[:19]
