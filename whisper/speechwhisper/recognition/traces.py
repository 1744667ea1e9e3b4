"""What the trace of a recording is told: its blocks as they are decoded, and what is known of it at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from speechwhisper.recognition.blocks import FRAMES_PER_SECOND
from speechwhisper.recognition.port import StoppedError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence

    from speechwhisper.recognition.blocks import Block
    from speechwhisper.recognition.transcript import TranscriptionInfo
    from speechwhisper.recognition.work import Work
    from speechwhisper.telemetry.spans import RecognitionTrace


class _Decoded(NamedTuple):
    """A block as the model gets it: judging it changes its work."""

    trace: RecognitionTrace
    block: Block
    number: int
    queued_at: float


class TracedBatch:
    """The blocks of a batch that belong to traced recordings.

    Args:
        batch: The batch, about to be decoded.
        since: The present, by the monotonic clock.

    Attributes:
        until: When the model was done.
        sampled_id: The sampled trace that the first block belongs to, if any.
    """

    def __init__(self, batch: Sequence[Work], since: float) -> None:
        first = batch[0].owner.trace
        self.until = since
        self.sampled_id = "" if first is None else first.sampled_id
        self._attempt = batch[0].attempt  # that of all
        self._size = len(batch)
        self._since = since
        self._blocks = {
            work: _Decoded(work.owner.trace, work.block, work.decodings, work.queued_at)
            for work in batch
            if work.owner.trace is not None
        }

    def judged(self, work: Work, judgement: str) -> None:
        """Report a block: `keep`, `silent`, `again`, or `doubtful` if its last attempt failed and the best is kept."""
        if one := self._blocks.get(work):
            self._report(one, {"speech.block.judgement": judgement})

    def failed(self, until: float, error: Exception) -> None:
        """Report all blocks: the model failed on the batch."""
        self.until = until
        for one in self._blocks.values():
            self._report(one, {}, type(error).__name__)

    def _report(self, one: _Decoded, judgement: dict[str, str], error_type: str = "") -> None:
        start, end = one.block.start, one.block.start + one.block.seconds
        attributes: dict[str, str | float] = {
            "speech.block.start": start,
            "speech.block.end": end,
            **({} if one.block.channel is None else {"speech.block.channel": one.block.channel}),
            "speech.block.attempt": one.number,
            "speech.block.temperature": self._attempt.temperature,
            "speech.block.beam_search": self._attempt.beam_search,
            "speech.block.waited_seconds": self._since - one.queued_at,
            "speech.batch.blocks": self._size,
            "speech.batch.window_seconds": self._attempt.window / FRAMES_PER_SECOND,
            **judgement,
        }
        others = {other.trace for other in self._blocks.values()} - {one.trace}
        one.trace.decoded(self._since, self.until, attributes, others, error_type)


def traced(batch: Sequence[Work], since: float) -> TracedBatch | None:
    """Return the blocks that belong to traced recordings; None if there are none, as where nothing is traced."""
    for work in batch:
        if work.owner.trace is not None:
            return TracedBatch(batch, since)
    return None


def end(trace: RecognitionTrace, done: asyncio.Future[TranscriptionInfo]) -> None:
    """End the trace of a recognition with its result."""
    if done.cancelled() or isinstance(done.exception(), StoppedError):
        trace.end({}, error_type="cancelled")
    elif error := done.exception():
        trace.end({}, error_type=getattr(error, "code", type(error).__name__))
    else:
        info = done.result()
        attributes: dict[str, str | float] = {
            "speech.audio_seconds": info.duration,
            "speech.speech_seconds": info.speech_seconds,
            "speech.transcribed_seconds": info.transcribed_seconds,
        }
        if info.language:
            attributes["speech.language"] = info.language
        trace.end(attributes, [(one.start, one.end, str(one.reason)) for one in info.doubtful])
