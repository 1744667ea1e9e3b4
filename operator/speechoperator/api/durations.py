"""Durations in a SpeechPipeline: `300s`, `5m`, `1h30m`, `500ms`; the unit is required."""

from __future__ import annotations

import re

PATTERN = r"([0-9]{1,6}(\.[0-9]{1,3})?(h|m|s|ms)){1,4}"
"""Regular expression for RE2 and Python's `re`; a subset of what Go's `time.ParseDuration` accepts."""

_WHOLE = re.compile(PATTERN, re.ASCII)
_TERM = re.compile(r"([0-9.]+)(ms|[hms])")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


def seconds(duration: str) -> float:
    """Return a duration in seconds: `1h30m` is 5400.

    Raises:
        ValueError: the string is not a duration.
    """
    if not _WHOLE.fullmatch(duration):
        raise ValueError(f"{duration!r} is not a duration such as 300s, 5m or 1h30m")
    return sum(float(number) * _SECONDS[unit] for number, unit in _TERM.findall(duration))
