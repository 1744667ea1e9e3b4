"""Blocks: stretches of speech that the model decodes at once, and where to cut them; pure functions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from speechwhisper.audio.tracks import RATE

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

FRAMES_PER_SECOND = 100
"""Of Whisper's log-Mel spectrogram."""


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A stretch of audio: index of its first sample, and of the one after its last."""

    start: int
    end: int

    @property
    def seconds(self) -> float:
        """Duration in seconds."""
        return (self.end - self.start) / RATE

    def moved(self, samples: int) -> Span:
        """Return the span, moved by so many samples."""
        return Span(self.start + samples, self.end + samples)


@dataclass(frozen=True, slots=True)
class Block:
    """A stretch of speech, ready for the model.

    Attributes:
        start: Of its first frame in the recording, in seconds.
        spans: The stretches of speech within, with margins; samples of the recording.
        features: Log-Mel spectrogram, shape (mels, frames), 100 frames per second, without padding.
        channel: Number of its audio channel, 0-based; None if the channels are mixed.
        margin_before: Seconds of the first stretch before its speech.
        margin_after: Seconds of the last stretch after its speech.
    """

    start: float
    spans: tuple[Span, ...]
    features: NDArray[np.float32]
    channel: int | None = None
    margin_before: float = 0.0
    margin_after: float = 0.0

    @property
    def frames(self) -> int:
        """Number of its frames."""
        return int(self.features.shape[1])

    @property
    def seconds(self) -> float:
        """Duration in seconds."""
        return self.frames / FRAMES_PER_SECOND

    def speech_seconds_after(self, seconds: float) -> float:
        """Return the duration of the speech later than `seconds` after the block's start."""
        start = (self.start + seconds) * RATE
        end = (self.start + self.seconds) * RATE
        return sum(max(0.0, min(span.end, end) - max(span.start, start)) for span in self.spans) / RATE

    def rest_after(self, seconds: float) -> Block:
        """Return what follows `seconds` after the block's start."""
        frame = int(seconds * FRAMES_PER_SECOND)
        return replace(self, start=self.start + frame / FRAMES_PER_SECOND, features=self.features[:, frame:])


def seconds_of(spans: Sequence[Span]) -> float:
    """Return the total duration of the spans, in seconds."""
    return sum(span.end - span.start for span in spans) / RATE


def plan(spans: Sequence[Span], longest: int, longest_pause: int) -> list[list[Span]]:
    """Divide stretches of speech into blocks.

    A block is ended by a pause longer than `longest_pause`, or by the longest pause in its second half before it
    exceeds `longest`.

    Args:
        spans: Stretches of speech, in order, none longer than `longest`.
        longest: Number of samples of the longest block.
        longest_pause: Number of samples of the longest pause within a block.
    """
    blocks: list[list[Span]] = []
    first = 0
    while first < len(spans):
        begin, last = spans[first].start, first
        while last + 1 < len(spans) and _pause(spans, last) <= longest_pause and spans[last + 1].end - begin <= longest:
            last += 1
        if last + 1 < len(spans) and _pause(spans, last) <= longest_pause:
            late = [at for at in range(first, last + 1) if spans[at].end - begin >= longest // 2]
            last = max(late, key=lambda at: (_pause(spans, at), at), default=last)
        blocks.append(list(spans[first : last + 1]))
        first = last + 1
    return blocks


def with_silence(spans: Sequence[Span], total: int, longest: int) -> list[Span]:
    """Return the spans, and the pauses between them as further spans of at most `longest` samples."""
    filled: list[Span] = []
    at = 0
    for span in (*spans, Span(total, total)):
        while at < span.start:
            end = min(span.start, at + longest)
            filled.append(Span(at, end))
            at = end
        if span.end > span.start:
            filled.append(span)
        at = span.end
    return filled


def with_margins(spans: Sequence[Span], total: int, margin: int) -> list[Span]:
    """Return the spans with a margin on both sides, at most half of the pause; those that touch are joined.

    Args:
        spans: In order.
        total: Number of samples of the recording.
        margin: In samples.
    """
    joined: list[Span] = []
    for at, span in enumerate(spans):
        before = span.start if at == 0 else (span.start - spans[at - 1].end) // 2
        after = total - span.end if at + 1 == len(spans) else (spans[at + 1].start - span.end + 1) // 2
        wide = Span(span.start - min(margin, before), span.end + min(margin, after))
        if joined and wide.start <= joined[-1].end:
            joined[-1] = Span(joined[-1].start, wide.end)
        else:
            joined.append(wide)
    return joined


def _pause(spans: Sequence[Span], at: int) -> int:
    """Return the number of samples between a span and the next."""
    return spans[at + 1].start - spans[at].end
