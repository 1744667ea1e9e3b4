"""What the status says about scaling. Numbers that vary with the load are rounded, and change twice a minute."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from speechoperator.plan.scaling.history import Reported

if TYPE_CHECKING:
    from collections.abc import Mapping

    from speechoperator.plan.scaler import ScalerPlan
    from speechoperator.plan.scaling.history import Track
    from speechoperator.plan.scaling.load import Load

REPORT_INTERVAL_S = 30.0
"""Seconds for which the status keeps what it says about the load: every write wakes all who watch the pipeline."""

_STEPS = (1, 2, 5)


def reported(
    scaler: ScalerPlan, whisper: Load, limits: tuple[str, str] | None, now: float
) -> tuple[Reported, float | None]:
    """Return what the status should say about the load, and in how many seconds something newer; None if never.

    Args:
        scaler: What the scaler decides, with what the status says so far in its history.
        whisper: The load of Whisper.
        limits: What limits the replicas now, as for `Reported`.
        now: The time in seconds since the epoch.
    """
    backlog = whisper.audio_seconds_waiting if whisper.known(now) else None
    bottleneck = scaler.decision.bottleneck if scaler.decision else None
    current = Reported(None if backlog is None else rounded_up(backlog), bottleneck, limits, now)
    before = scaler.history.reported
    if before is None or replace(before, at=now) == current:
        return before or current, None
    left = REPORT_INTERVAL_S - (now - before.at)
    return (before, left) if 0 < left <= REPORT_INTERVAL_S else (current, None)


def scaling_status(scaler: ScalerPlan, load: Reported, volume: str) -> Mapping[str, Mapping[str, Any]]:
    """Return the members about scaling: of each component by its name, and of the whole status under "".

    Args:
        scaler: What the scaler decides.
        load: What it says about the load.
        volume: The volume with the models of Ollama, empty if they are not on a PVC.
    """
    found: dict[str, dict[str, Any]] = {
        "": {
            "bottleneck": load.bottleneck,
            "scalingHistory": [change.as_status() for change in scaler.changes] or None,
        },
        "whisper": {
            "backlogSeconds": load.backlog_seconds,
            "startupSeconds": _startup(scaler.history.whisper),
        },
        "ollama": {"startupSeconds": _startup(scaler.history.ollama), "volume": volume or None},
    }
    if scaler.spec.whisper is None:
        found["whisper"] = {}
    if scaler.spec.ollama is None:
        found["ollama"] = {}
    return {
        key: {name: value for name, value in members.items() if value is not None} for key, members in found.items()
    }


def rounded_up(seconds: float) -> int:
    """Return seconds rounded up to 0, 10, 20, 50, 100, 200, 500 and so on."""
    if seconds <= 0:
        return 0
    unit = 10
    while seconds > unit * _STEPS[-1]:
        unit *= 10
    return next(unit * step for step in _STEPS if seconds <= unit * step)


def _startup(track: Track) -> int | None:
    return round(track.startup.seconds) if track.startup else None
