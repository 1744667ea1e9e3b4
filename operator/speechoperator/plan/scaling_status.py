"""What the status says about scaling. Numbers that vary with the load are rounded, so that they change seldom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from speechoperator.plan.scaler import ScalerPlan
    from speechoperator.plan.scaling.history import Track
    from speechoperator.plan.scaling.load import Load

_STEPS = (1, 2, 5)


def scaling_status(scaler: ScalerPlan, whisper: Load, volume: str, now: datetime) -> Mapping[str, Mapping[str, Any]]:
    """Return the members about scaling: of each component by its name, and of the whole status under "".

    Args:
        scaler: What the scaler decides.
        whisper: The load of Whisper.
        volume: The volume with the models of Ollama, empty if they are not on a PVC.
        now: The time.
    """
    backlog = whisper.audio_seconds_waiting if whisper.known(now.timestamp()) else None
    bottleneck = scaler.decision.bottleneck if scaler.decision else None
    found: dict[str, dict[str, Any]] = {
        "": {
            "bottleneck": bottleneck,
            "scalingHistory": [change.as_status() for change in scaler.changes] or None,
        },
        "whisper": {
            "backlogSeconds": None if backlog is None else rounded_up(backlog),
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
