"""Where in a recording somebody speaks, and what of it the model is given.

Whisper invents sentences in silence ("You", "Thanks for watching"), so long stretches without speech are kept from it.
Silero's voice activity detector, which faster-whisper ships, finds the speech.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from faster_whisper.vad import VadOptions, get_speech_timestamps

from speechwhisper.audio.decode import RATE, Samples
from speechwhisper.recognition.port import StoppedError

_BLOCK = 300 * RATE
"""The detector runs over blocks of five minutes: its memory stays flat, and a stop is noticed."""

_QUIET = 10 ** (-66 / 20)
"""Peaks below -66 dBFS are digital silence or the last bit's noise: no need to ask the detector."""

# More eager than faster-whisper's default of 0.5, since what is missed here is lost; a click or a burst of noise that
# scores for an instant is not speech.
_EAGER = VadOptions(threshold=0.35, min_speech_duration_ms=200)


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A stretch of audio: first sample, and the one after the last."""

    start: int
    end: int

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return (self.end - self.start) / RATE


def seconds_of(spans: Sequence[Span]) -> float:
    """Return the length of all spans together, in seconds."""
    return sum(span.end - span.start for span in spans) / RATE


def find_speech(samples: Samples, stop: threading.Event) -> list[Span]:
    """Return where somebody speaks, in order, with 0.4 s of margin around each stretch.

    Raises:
        StoppedError: ``stop`` was set; noticed every five minutes of audio.
    """
    spans: list[Span] = []
    for offset in range(0, len(samples), _BLOCK):
        if stop.is_set():
            raise StoppedError
        block = samples[offset : offset + _BLOCK]
        spans += (Span(span.start + offset, span.end + offset) for span in detect(block, _EAGER))
    return spans


def detect(samples: Samples, options: VadOptions) -> list[Span]:
    """Run the detector once over all samples, unless they are plainly silent."""
    if max(samples.max(), -samples.min()) <= _QUIET:
        return []
    found: list[dict[str, Any]] = get_speech_timestamps(np.ascontiguousarray(samples), options)
    return [Span(int(chunk["start"]), int(chunk["end"])) for chunk in found]


def plan_clips(speech: Sequence[Span], total: int, skip_seconds: float) -> list[Span]:
    """Decide which stretches the model is given.

    Pauses up to ``skip_seconds`` stay in, also before the first and after the last word: ordinary recordings reach the
    model whole. Longer ones are left out.

    Args:
        speech: where somebody speaks, in order.
        total: samples of the recording.
        skip_seconds: longest stretch without speech that is kept; 0 keeps everything.
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
    """Join neighbouring stretches of speech into blocks no longer than the model's window, for decoding in batches.

    Args:
        speech: stretches no longer than the window each, in order.
        longest_seconds: the model's window.
    """
    longest = int(longest_seconds * RATE)
    blocks: list[Span] = []
    for span in speech:
        if blocks and span.end - blocks[-1].start <= longest:
            blocks[-1] = Span(blocks[-1].start, span.end)
        else:
            blocks.append(span)
    return blocks
