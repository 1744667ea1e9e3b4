"""Events: when one was last seen. Their two generations write that in different fields."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from speechoperator.kube.objects import Object

_TO_THE_SECOND = len("2026-01-01T00:00:00")


def last_seen(event: Object) -> str:
    """Return when an Event was last seen, to the second; these times sort as text."""
    series = (event.get("series") or {}).get("lastObservedTime")
    seen = series or event.get("lastTimestamp") or event.get("eventTime") or event["metadata"].get("creationTimestamp")
    return str(seen or "")[:_TO_THE_SECOND]
