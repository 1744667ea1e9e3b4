"""What a Whisper server reports about its transcript: coverage and warnings."""

from __future__ import annotations

import math
from typing import Any

_SECONDS = ("audio_seconds", "speech_seconds", "transcribed_seconds")


def coverage_from(response: dict[str, Any]) -> dict[str, Any] | None:
    """Return how much of the recording was transcribed, as reported by `speechwhisper`; None if it is not reported.

    Members that the bridge does not know, and values that are not finite, are omitted.
    """
    reported = response.get("coverage")
    if not isinstance(reported, dict):
        return None
    return {
        **{name: reported[name] for name in _SECONDS if _is_time(reported.get(name))},
        "gaps": _stretches(reported.get("gaps")),
        "doubtful": _stretches(reported.get("doubtful")),
    }


def _stretches(reported: Any) -> list[dict[str, Any]]:
    return [
        {"start": one["start"], "end": one["end"], "reason": str(one.get("reason", ""))}
        for one in (reported if isinstance(reported, list) else [])
        if isinstance(one, dict) and _is_time(one.get("start")) and _is_time(one.get("end"))
    ]


def warnings_from(response: dict[str, Any]) -> tuple[dict[str, str], ...]:
    """Return the warnings of `speechwhisper`, each with `code` and `message`."""
    reported = response.get("warnings")
    if not reported:
        return ()
    return tuple(
        {"code": warning["code"], "message": warning["message"]}
        for warning in (reported if isinstance(reported, list) else [])
        if isinstance(warning, dict)
        and isinstance(warning.get("code"), str)
        and isinstance(warning.get("message"), str)
    )


def _is_time(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0
