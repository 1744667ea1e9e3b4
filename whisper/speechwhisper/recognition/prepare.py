"""Prepares a recording for the model while it is read: samples, speech, blocks, features.

The memory in use does not depend on the length of the recording: samples are dropped once their blocks are prepared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from speechwhisper.audio.tracks import RATE
from speechwhisper.recognition import speech
from speechwhisper.recognition.blocks import Block, Span, plan, seconds_of, with_margins, with_silence
from speechwhisper.recognition.times import MARGIN_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from speechwhisper.audio.decode import Samples

_FIRST_S = 30.0
"""Length of audio after which the first blocks are cut: soon, for callers that stream."""
_NEXT_S = 60.0
"""The same for later ones; what is left of the audio before is searched again, so longer is cheaper."""
_FULL_SCALE = 32768.0


class Preparer:
    """Cuts one channel into blocks.

    Args:
        extract: Computes the log-Mel spectrogram of float32 samples, shape (mels, frames).
        longest_block: In seconds.
        skip_silence: Longest pause within a block in seconds; 0 passes everything to the model, including silence.
        channel: Number of the channel; None if the channels are mixed.

    Attributes:
        speech_seconds: Seconds of speech found so far.
        transcribed_seconds: Seconds of audio in blocks so far.
    """

    def __init__(
        self,
        extract: Callable[[Samples], NDArray[np.float32]],
        *,
        longest_block: float,
        skip_silence: float,
        channel: int | None = None,
    ) -> None:
        self.speech_seconds = 0.0
        self.transcribed_seconds = 0.0
        self._extract = extract
        self._longest_s = longest_block
        self._longest = int((longest_block - 2 * MARGIN_S) * RATE)
        self._everything = skip_silence == 0
        # No block has a longer pause than a block is long, whatever the setting; this bounds what is held.
        self._longest_pause = min(int(skip_silence * RATE), self._longest) if skip_silence else self._longest
        self._channel = channel
        self._chunks: list[NDArray[np.int16]] = []
        self._held = 0
        self._offset = 0
        """Of the first sample held, in the recording."""
        self._last_end = 0
        """Of the last block: margins do not overlap it."""
        self._due = int(_FIRST_S * RATE)

    def feed(self, chunk: NDArray[np.int16]) -> list[Block]:
        """Add samples, shape (n,); return the blocks that are complete."""
        self._chunks.append(chunk)
        self._held += len(chunk)
        return self._cut(final=False) if self._held >= self._due else []

    def is_due(self, samples: int) -> bool:
        """Return whether adding so many samples takes the time of cutting blocks."""
        return self._held + samples >= self._due

    def finish(self) -> list[Block]:
        """Return the last blocks."""
        return self._cut(final=True)

    def _cut(self, *, final: bool) -> list[Block]:
        samples = self._samples()
        found = speech.find_speech(samples, self._longest / RATE)
        spans = with_silence(found, len(samples), self._longest) if self._everything else found
        groups = plan(spans, self._longest, self._longest_pause)
        resume = len(samples)
        if not final:
            if groups and len(samples) - groups[-1][-1].end <= self._longest_pause:
                resume = groups.pop()[0].start  # it may continue
            resume -= int(MARGIN_S * RATE)
        blocks = [self._block(group, found, samples) for group in groups]
        # Speech in a block must not be found again: a short pause after it is no longer than the margin.
        self._drop(samples, max(0, resume, self._last_end - self._offset))
        return blocks

    def _block(self, group: list[Span], found: list[Span], samples: Samples) -> Block:
        margin = int(MARGIN_S * RATE)
        first, last = group[0].start, group[-1].end
        following = next((span.start for span in found if span.start >= last), len(samples))
        start = max(0, self._last_end - self._offset, first - margin)
        end = min(len(samples), last + margin, last + (following - last + 1) // 2)
        self._last_end = end + self._offset
        inside = [span for span in found if first <= span.start < last]
        wide = [Span(max(one.start, start), min(one.end, end)) for one in with_margins(inside, len(samples), margin)]
        before, after = (inside[0].start - wide[0].start, wide[-1].end - inside[-1].end) if inside else (0, 0)
        spans = tuple(one.moved(self._offset) for one in wide)
        self.speech_seconds += seconds_of(spans)
        self.transcribed_seconds += (end - start) / RATE
        features = self._features(samples[start:end])
        begin = (start + self._offset) / RATE
        return Block(begin, spans, features, self._channel, before / RATE, after / RATE)

    def _features(self, samples: Samples) -> NDArray[np.float32]:
        return np.ascontiguousarray(self._extract(samples)[:, : max(1, len(samples) // 160)])

    def _samples(self) -> Samples:
        joined = np.concatenate(self._chunks) if self._chunks else np.zeros(0, np.int16)
        return to_float(joined)

    def _drop(self, samples: Samples, count: int) -> None:
        joined = self._chunks[0] if len(self._chunks) == 1 else np.concatenate(self._chunks or [np.zeros(0, np.int16)])
        self._chunks = [joined[count:].copy()]
        self._held = len(samples) - count
        self._offset += count
        self._due = max(int(_NEXT_S * RATE), self._held + int(_FIRST_S * RATE))


def to_float(samples: NDArray[np.int16]) -> Samples:
    """Return 16-bit samples as float32 in [-1, 1)."""
    return np.divide(samples, _FULL_SCALE, dtype=np.float32)
