"""The duration of a recording before its upload, and its channels: pure functions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

AUDIO_SECONDS = "Speech-Audio-Seconds"
"""The request header with the client's estimate."""

_RAW_BYTES_PER_SECOND = 2 * 16_000
"""Of raw samples: 16 bits at 16 kHz."""


def announced_seconds(
    headers: Mapping[str, str], *, content_length: int | None, raw: bool, max_seconds: float
) -> float | None:
    """Return the announced seconds of audio, or None if they are unknown.

    Args:
        headers: The headers of the request.
        content_length: The size of its body in bytes, if declared.
        raw: Whether the file is raw 16 kHz samples, whose duration follows from their size.
        max_seconds: The longest recording that is accepted; larger values count as this one.
    """
    seconds = _positive(headers.get(AUDIO_SECONDS, ""))
    if seconds is None and raw and content_length:
        seconds = content_length / _RAW_BYTES_PER_SECOND
    return None if seconds is None else min(seconds, max_seconds)


def assumed_channels(*, separate: bool, raw: bool) -> int:
    """Return the number of channels to decode before the file says it: of those that are separate, most are stereo."""
    return 2 if separate and not raw else 1


def _positive(text: str) -> float | None:
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds > 0 else None
