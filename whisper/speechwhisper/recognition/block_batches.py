"""Decodes blocks in batches, and checks each.

The batched pipeline of faster-whisper 1.2.1 ignores the thresholds for silence, improbable and repetitive text, and all
but the first temperature. Therefore each block is checked here as in openai-whisper (`whisper/transcribe.py`,
`decode_with_fallback`); a block that fails is decoded again alone, at all temperatures.
"""

from __future__ import annotations

import zlib
from enum import Enum
from itertools import groupby
from typing import TYPE_CHECKING, Any

from faster_whisper import BatchedInferencePipeline, WhisperModel

from speechwhisper.audio.tracks import RATE
from speechwhisper.recognition.port import StoppedError

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from speechwhisper.audio.decode import Samples
    from speechwhisper.recognition.speech import Span
    from speechwhisper.recognition.transcript import Segment

LOG_PROB_THRESHOLD = -1.0
NO_SPEECH_THRESHOLD = 0.6
COMPRESSION_RATIO_THRESHOLD = 2.4

_TAIL_SECONDS = 2.0
"""More speech than this after the last segment means that the model lost the end of the block: it drops text without a
closing timestamp, and only sequential decoding resumes from there."""

_FRAMES_PER_SECOND = 100


class Verdict(Enum):
    """The result of checking a block."""

    KEEP = "keep"
    SILENT = "silent"
    AGAIN = "again"


def start(
    model: WhisperModel, samples: Samples, blocks: Sequence[Span], arguments: dict[str, Any], batch_size: int
) -> tuple[Iterable[Any], Any]:
    """Start to decode blocks in batches; return faster-whisper's segments, block by block, and its info."""
    # A pipeline carries state from batch to batch, so each job has its own.
    segments, info = BatchedInferencePipeline(model).transcribe(
        samples,
        **arguments,
        batch_size=batch_size,
        without_timestamps=False,
        clip_timestamps=[{"start": block.start / RATE, "end": block.end / RATE} for block in blocks],
    )
    return segments, info


def judge(segments: Sequence[Segment], block: Span) -> Verdict:
    """Check the segments of one block, which share their probabilities."""
    if not segments:
        return Verdict.AGAIN
    first = segments[0]
    improbable = first.avg_logprob < LOG_PROB_THRESHOLD
    if improbable and first.no_speech_prob > NO_SPEECH_THRESHOLD:
        return Verdict.SILENT
    text = "".join(segment.text for segment in segments).strip()
    lost_tail = block.end / RATE - segments[-1].end > _TAIL_SECONDS
    if improbable or lost_tail or compression_ratio(text) > COMPRESSION_RATIO_THRESHOLD:
        return Verdict.AGAIN
    return Verdict.KEEP


def compression_ratio(text: str) -> float:
    """Return the compression ratio of the text, high for repetitions (openai-whisper, `utils.py`)."""
    data = text.encode()
    return len(data) / len(zlib.compress(data))


def checked(
    segments: Iterable[Segment],
    blocks: Sequence[Span],
    alone: Callable[[Span], Iterable[Segment]],
    stop: threading.Event,
) -> Iterator[Segment]:
    """Yield the segments of all blocks in order, after checking each block.

    Args:
        segments: As decoded in batches; none of a block without text.
        blocks: In the same order.
        alone: Decodes one block sequentially.
        stop: Checked before each block.
    """
    groups = groupby(segments, key=lambda segment: segment.seek)
    group = next(groups, None)
    for block in blocks:
        if stop.is_set():
            raise StoppedError
        mine: list[Segment] = []
        # The batched pipeline sets `seek` to the first frame of the block, rounded down.
        if group is not None and abs(group[0] - block.start / RATE * _FRAMES_PER_SECOND) <= 1:
            mine = list(group[1])
            group = next(groups, None)
        verdict = judge(mine, block)
        if verdict is Verdict.KEEP:
            yield from mine
        elif verdict is Verdict.AGAIN:
            yield from alone(block)
