"""Events that are read on demand, not watched."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechoperator.kube import kinds
from speechoperator.kube.errors import ApiError
from speechoperator.telemetry import logs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from speechoperator.kube.client import KubeClient
    from speechoperator.kube.objects import Object

_WARNINGS_OF_TYPE_NORMAL = {"FailedBinding"}
"""Reasons of Events of type Normal that report a problem which only a person can solve."""
_TO_THE_SECOND = len("2026-01-01T00:00:00")


async def warning(client: KubeClient, namespace: str, uid: str) -> str:
    """Return the message of an object's newest Event if that is a warning, else ""."""
    try:
        events, _ = await client.list(kinds.EVENT, namespace, fields=f"involvedObject.uid={uid}")
    except ApiError as error:
        logs.debug("cannot list Events", code=error.code, reason=error.advice)
        return ""
    return newest_warning(events)


def newest_warning(events: Sequence[Object]) -> str:
    """Return the message of the newest Event if that is a warning; of two in the same second the warning counts."""
    newest = max(events, key=lambda event: (_last_seen(event), _is_warning(event)), default=None)
    return str(newest.get("message", "")) if newest and _is_warning(newest) else ""


def _is_warning(event: Object) -> bool:
    return event.get("type") == "Warning" or event.get("reason") in _WARNINGS_OF_TYPE_NORMAL


def _last_seen(event: Object) -> str:
    """Return when an Event was last seen, to the second; these times sort as text."""
    series = (event.get("series") or {}).get("lastObservedTime")
    seen = series or event.get("lastTimestamp") or event.get("eventTime") or event["metadata"].get("creationTimestamp")
    return str(seen or "")[:_TO_THE_SECOND]
