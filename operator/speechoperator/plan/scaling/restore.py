"""The scaler's memory as far as the status of a pipeline has it, for a new leader."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from speechoperator.kube import objects
from speechoperator.plan.scaling.history import History, Startup, Track

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


def from_status(status: Mapping[str, Any], now: datetime) -> History:
    """Return the memory that a status describes; what an older CRD has dropped from it is unknown.

    Args:
        status: The status of the pipeline, as the operator wrote it.
        now: The time: only pods created later are measured, since the readiness of others may have changed.
    """
    history = History.from_status(status.get("scalingHistory") or ())
    return replace(
        history,
        whisper=_with_startup(history.whisper, status.get("whisper") or {}, now),
        ollama=_with_startup(history.ollama, status.get("ollama") or {}, now),
    )


def _with_startup(track: Track, component: Mapping[str, Any], now: datetime) -> Track:
    seconds = component.get("startupSeconds")
    if seconds is None:
        return track
    return replace(track, startup=Startup(float(seconds), objects.format_time(now)))
