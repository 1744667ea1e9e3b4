"""How long a recording is: from its header or, without one, from its size and the usual rate of its container.

Rates are learned from finished transcripts, of which both size and duration are known. A header is the caller's claim,
and the estimates of all recordings together set everybody's `Retry-After`. So no recording counts for more than its
bytes could hold at the lowest bit rate of speech codecs, nor for more than MAX_AUDIO_SECONDS; and none moves a learned
rate far.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from speechbridge.audio.containers import container_of
from speechbridge.audio.headers import coded, matroska, mp4, mpeg, ogg, pcm

if TYPE_CHECKING:
    from collections.abc import Callable

    from speechbridge.audio.headers.excerpt import Excerpt

_READERS: dict[str, Callable[[Excerpt], float | None]] = {
    "wav": pcm.wav_seconds,
    "aiff": pcm.aiff_seconds,
    "au": pcm.au_seconds,
    "caf": pcm.caf_seconds,
    "flac": coded.flac_seconds,
    "amr": coded.amr_seconds,
    "mp3": mpeg.mp3_seconds,
    "adts": mpeg.adts_seconds,
    "mp4": mp4.mp4_seconds,
    "matroska": matroska.matroska_seconds,
    "ogg": ogg.ogg_seconds,
}
_INVALID = (struct.error, ArithmeticError, IndexError)
"""What reading a header that ends early, or contradicts itself, raises."""
_LOWEST_RATE = 600.0
"""Bytes per second: below Opus at 6 kbit/s and AMR at 4.75 kbit/s, both in their containers."""
_HIGHEST_RATE = 20e6
"""Bytes per second, of video too: a header that implies more is not believed."""
_TYPICAL_RATES = {
    "wav": 32_000,
    "aiff": 88_200,
    "flac": 50_000,
    "wavpack": 50_000,
    "ogg": 6_000,
    "matroska": 6_000,
    "mp4": 12_000,
    "amr": 1_600,
}
_DEFAULT_RATE = 16_000.0
_PRIOR_SECONDS = 60.0
"""How many seconds of audio the typical rate counts for: a few transcripts outweigh it."""
_WINDOW_SECONDS = 4 * 3600.0
"""Beyond this many seconds of audio, what was learned counts half: rates follow a change of what is sent."""
_MAX_WEIGHT_SECONDS = 600.0
_MAX_FACTOR = 8.0
"""How far a single recording may be from the known rate before it is cut off."""


@dataclass(frozen=True, slots=True)
class Duration:
    """A recording's duration in seconds; `known` if a header of the complete recording tells it."""

    seconds: float
    known: bool


def header_seconds(excerpt: Excerpt) -> float | None:
    """Return the duration in seconds that a recording's header tells, None if it tells none, or an impossible one."""
    reader = _READERS.get(container_of(excerpt.head) or "")
    try:
        seconds = reader(excerpt) if reader else None
    except _INVALID:
        return None
    if seconds is None or not math.isfinite(seconds) or seconds <= 0 or excerpt.size > seconds * _HIGHEST_RATE:
        return None
    return seconds


class Durations:
    """Estimates durations, and learns the rates of containers.

    Args:
        max_seconds: MAX_AUDIO_SECONDS.
    """

    def __init__(self, max_seconds: float) -> None:
        self._max_seconds = max_seconds
        self._rates: dict[str, _Rate] = {}

    def of(self, excerpt: Excerpt) -> Duration:
        """Return the duration of a recording."""
        seconds = header_seconds(excerpt)
        longest = min(self._max_seconds, excerpt.size / _LOWEST_RATE)
        if seconds is None:
            return Duration(min(longest, excerpt.size / self._rate(excerpt).bytes_per_second), known=False)
        return Duration(min(longest, seconds), known=excerpt.complete and seconds <= longest)

    def learn(self, excerpt: Excerpt, seconds: float) -> None:
        """Learn from a transcript: the recording turned out to last this many seconds."""
        if excerpt.complete and 0 < seconds <= self._max_seconds:
            self._rate(excerpt).add(excerpt.size, seconds)

    def _rate(self, excerpt: Excerpt) -> _Rate:
        container = container_of(excerpt.head) or ""
        if container not in self._rates:
            self._rates[container] = _Rate(_TYPICAL_RATES.get(container, _DEFAULT_RATE))
        return self._rates[container]


class _Rate:
    """The rate of a container, as a quotient of sums."""

    def __init__(self, typical: float) -> None:
        self._seconds = _PRIOR_SECONDS
        self._bytes = typical * _PRIOR_SECONDS

    @property
    def bytes_per_second(self) -> float:
        return self._bytes / self._seconds

    def add(self, size: int, seconds: float) -> None:
        known = self.bytes_per_second
        rate = min(max(size / seconds, known / _MAX_FACTOR, _LOWEST_RATE), known * _MAX_FACTOR, _HIGHEST_RATE)
        weight = min(seconds, _MAX_WEIGHT_SECONDS)
        self._seconds += weight
        self._bytes += rate * weight
        if self._seconds > _WINDOW_SECONDS:
            self._seconds /= 2
            self._bytes /= 2
