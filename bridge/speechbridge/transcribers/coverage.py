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
    gaps = reported.get("gaps")
    return {
        **{name: reported[name] for name in _SECONDS if _is_time(reported.get(name))},
        "gaps": [
            {"start": gap["start"], "end": gap["end"], "reason": str(gap.get("reason", ""))}
            for gap in (gaps if isinstance(gaps, list) else [])
            if isinstance(gap, dict) and _is_time(gap.get("start")) and _is_time(gap.get("end"))
        ],
    }


def warnings_from(response: dict[str, Any]) -> tuple[dict[str, str], ...]:
    """Return the warnings of `speechwhisper`, each with `code` and `message`."""
    reported = response.get("warnings")
    return tuple(
        {"code": warning["code"], "message": warning["message"]}
        for warning in (reported if isinstance(reported, list) else [])
        if isinstance(warning, dict)
        and isinstance(warning.get("code"), str)
        and isinstance(warning.get("message"), str)
    )


def _is_time(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0
