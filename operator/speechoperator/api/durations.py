"""Durations as a SpeechPipeline has them: `300s`, `5m`, `1h30m`, `500ms`; a number without a unit is none."""

from __future__ import annotations

import re

PATTERN = r"([0-9]{1,6}(\.[0-9]{1,3})?(h|m|s|ms)){1,4}"
"""What a duration looks like, for RE2 and for Python's `re` alike; a part of what Go's `time.ParseDuration` takes."""

_WHOLE = re.compile(PATTERN, re.ASCII)
_PART = re.compile(r"([0-9.]+)(ms|[hms])")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


def seconds(duration: str) -> float:
    """Return a duration in seconds: `1h30m` is 5400.

    Raises:
        ValueError: it is no duration.
    """
    if not _WHOLE.fullmatch(duration):
        raise ValueError(f"{duration!r} is not a duration such as 300s, 5m or 1h30m")
    return sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(duration))
