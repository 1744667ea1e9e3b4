"""Finds the speech in a recording, and selects what is passed to the model.

Whisper hallucinates in silence ("You", "Thanks for watching"), so long stretches without speech are not passed to it.
The speech is found by Silero's voice activity detector (VAD), included in faster-whisper.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from faster_whisper.vad import VadOptions, get_speech_timestamps

from speechwhisper.audio.tracks import RATE
from speechwhisper.recognition.port import StoppedError

if TYPE_CHECKING:
    import threading
    from collections.abc import Sequence

    from speechwhisper.audio.decode import Samples

_BLOCK = 300 * RATE
"""The detector runs on blocks of five minutes, to limit memory and to check the stop flag in between."""

_QUIET = 10 ** (-66 / 20)
"""Audio with peaks below -66 dBFS is digital silence or quantization noise, and skips the detector."""

# More sensitive than faster-whisper's default of 0.5, since missed speech is lost; the minimum duration excludes clicks
# and bursts of noise.
_EAGER = VadOptions(threshold=0.35, min_speech_duration_ms=200)


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A stretch of audio: index of its first sample, and of the one after its last."""

    start: int
    end: int

    @property
    def seconds(self) -> float:
        """Duration in seconds."""
        return (self.end - self.start) / RATE


def seconds_of(spans: Sequence[Span]) -> float:
    """Return the total duration of the spans, in seconds."""
    return sum(span.end - span.start for span in spans) / RATE


def find_speech(samples: Samples, stop: threading.Event, options: VadOptions = _EAGER) -> list[Span]:
    """Return the stretches of speech, in order, with a margin of 0.4 s on both sides.

    Args:
        samples: 16 kHz mono, shape (n,).
        stop: Checked every five minutes of audio, which take about half a second.
        options: Of the detector.

    Raises:
        StoppedError: `stop` was set.
    """
    spans: list[Span] = []
    offset = 0
    while offset < len(samples):
        if stop.is_set():
            raise StoppedError
        block = samples[offset : offset + _BLOCK]
        found = _detect(block, options)
        resume = len(block)
        if found and found[-1].start > 0 and found[-1].end == len(block) and offset + len(block) < len(samples):
            resume = found.pop().start  # speech goes on beyond the block: the next one begins with it
        spans += (Span(span.start + offset, span.end + offset) for span in found)
        offset += resume
    return spans


def _detect(samples: Samples, options: VadOptions) -> list[Span]:
    """Run the detector once on all samples, unless they are silent."""
    if max(samples.max(), -samples.min()) <= _QUIET:
        return []
    found: list[dict[str, Any]] = get_speech_timestamps(np.ascontiguousarray(samples), options)
    return [Span(int(chunk["start"]), int(chunk["end"])) for chunk in found]


def plan_clips(speech: Sequence[Span], total: int, skip_seconds: float) -> list[Span]:
    """Select the stretches that are passed to the model.

    Pauses up to `skip_seconds` are kept, including those at the beginning and end, so ordinary recordings are passed
    whole. Longer pauses are left out.

    Args:
        speech: Stretches of speech, in order.
        total: Number of samples of the recording.
        skip_seconds: Longest pause that is kept; 0 keeps everything.
    """
    if skip_seconds == 0:
        return [Span(0, total)]
    longest = int(skip_seconds * RATE)
    clips: list[Span] = []
    for span in speech:
        if clips and span.start - clips[-1].end <= longest:
            clips[-1] = Span(clips[-1].start, span.end)
        else:
            clips.append(span)
    if clips and clips[0].start <= longest:
        clips[0] = Span(0, clips[0].end)
    if clips and total - clips[-1].end <= longest:
        clips[-1] = Span(clips[-1].start, total)
    return clips


def plan_blocks(speech: Sequence[Span], longest_seconds: float) -> list[Span]:
    """Join adjacent stretches of speech into blocks no longer than the model's window, for decoding in batches.

    Args:
        speech: Stretches of speech, each no longer than the window, in order.
        longest_seconds: Length of the model's window.
    """
    longest = int(longest_seconds * RATE)
    blocks: list[Span] = []
    for span in speech:
        if blocks and span.end - blocks[-1].start <= longest:
            blocks[-1] = Span(blocks[-1].start, span.end)
        else:
            blocks.append(span)
    return blocks
