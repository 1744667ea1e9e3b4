"""Finds the speech in a recording.

Whisper hallucinates in silence ("You", "Thanks for watching"), so long stretches without speech are not passed to it.
The speech is found by Silero's voice activity detector (VAD), included in faster-whisper.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from faster_whisper.vad import VadOptions, get_speech_timestamps

from speechwhisper.audio.tracks import RATE
from speechwhisper.recognition.blocks import Span

if TYPE_CHECKING:
    from speechwhisper.audio.decode import Samples

_QUIET = 10 ** (-66 / 20)
"""Audio with peaks below -66 dBFS is digital silence or quantization noise, and skips the detector."""

_THRESHOLD = 0.35
"""More sensitive than faster-whisper's default of 0.5, since missed speech is lost."""
_MIN_PAUSE_MS = 160
"""The shortest pause at which speech may be cut."""
_MIN_SPEECH_S = 0.2
"""Shorter speech, alone, is a click or a burst of noise."""
_ALONE_S = 2.0
"""Speech is alone if the pauses around it are longer."""


def find_speech(samples: Samples, longest_seconds: float) -> list[Span]:
    """Return the stretches of speech between pauses, in order, without margins.

    Args:
        samples: 16 kHz mono, float32, shape (n,).
        longest_seconds: Speech without a pause is cut after this time.
    """
    if not len(samples) or max(samples.max(), -samples.min()) <= _QUIET:
        return []
    options = VadOptions(
        threshold=_THRESHOLD,
        min_silence_duration_ms=_MIN_PAUSE_MS,
        max_speech_duration_s=longest_seconds,
        speech_pad_ms=0,
    )
    found: list[dict[str, Any]] = get_speech_timestamps(samples, options)
    return without_bursts([Span(int(one["start"]), int(one["end"])) for one in found if one["end"] > one["start"]])


def without_bursts(spans: list[Span]) -> list[Span]:
    """Return the spans without those that are short and alone: clicks and bursts of noise."""
    kept: list[Span] = []
    group: list[Span] = []
    for span in spans:
        if group and span.start - group[-1].end > _ALONE_S * RATE:
            kept += _unless_burst(group)
            group = []
        group.append(span)
    return kept + _unless_burst(group)


def _unless_burst(group: list[Span]) -> list[Span]:
    return group if sum(span.seconds for span in group) >= _MIN_SPEECH_S else []
