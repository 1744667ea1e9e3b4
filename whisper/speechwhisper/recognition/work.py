"""A recording that is being transcribed: its blocks on their way through the model, and their segments in order."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from speechwhisper.recognition.guards import Guard
from speechwhisper.recognition.judging import Attempt, attempts
from speechwhisper.recognition.times import SpeechTimes

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from speechwhisper.recognition.blocks import Block
    from speechwhisper.recognition.guards import Doubtful
    from speechwhisper.recognition.model import Decoded
    from speechwhisper.recognition.options import Options
    from speechwhisper.recognition.port import Stop
    from speechwhisper.recognition.transcript import Segment
    from speechwhisper.telemetry.spans import RecognitionTrace

_RESET_TEMPERATURE = 0.5
"""Text sampled at a higher temperature is not given to the next block (openai-whisper); nor is text that failed."""


@dataclass(slots=True, eq=False)
class Work:
    """A block of a recording, with what was tried so far.

    Attributes:
        owner: The recording it belongs to.
        index: Its position among the blocks of the recording.
        block: What is left to decode.
        whole: The block as it was cut.
        prefix: Tokens before the transcript.
        language: A code; None detects it.
        attempts: What is tried in turn.
        tried: The results so far.
        decodings: How often the model was given it, or what was left of it.
        done: Segments of what precedes `block`.
        queued_at: Since when it waits for the model, by a monotonic clock.
    """

    owner: Recognition
    index: int
    block: Block
    whole: Block
    prefix: tuple[int, ...]
    language: str | None
    attempts: Sequence[Attempt]
    tried: list[Decoded] = field(default_factory=list)
    decodings: int = 0
    done: list[Segment] = field(default_factory=list)
    queued_at: float = field(default_factory=time.monotonic)

    @property
    def attempt(self) -> Attempt:
        """The next attempt."""
        return self.attempts[len(self.tried)]

    @property
    def group(self) -> Hashable:
        """What it has in common with others in one batch; None if it is decoded alone."""
        if self.attempt.alone:
            return None
        return self.attempt, len(self.prefix)

    def keep(self, segments: Sequence[Segment], end: float) -> None:
        """Keep segments, and decode what follows `end` seconds of the block, with beam search in the full window."""
        self.done += segments
        self.block = self.block.rest_after(end)
        self.tried = []
        thorough = [one for one in self.attempts if one.full_window and (one.beam_search or one.alone)]
        self.attempts = thorough or self.attempts[-1:]
        self.language = self.owner.language


class Recognition:
    """Passes the blocks of one recording to the model, a few at a time, and emits their segments in order.

    Blocks are submitted by one thread; results are delivered by the threads of the model.

    Args:
        options: Of the request.
        emit: Called with each segment, in order.
        stop: Ends it.
        limit: Largest number of blocks on their way at once, which bounds the memory.
        trace: Its spans; None if it is not traced.
    """

    def __init__(
        self,
        options: Options,
        emit: Callable[[Segment], None],
        stop: Stop,
        limit: int,
        trace: RecognitionTrace | None = None,
    ) -> None:
        self.options = options
        self.trace = trace
        self.language = options.language
        self.language_probability: float | None = None
        self.previous: tuple[int, ...] = ()
        self._emit = emit
        self._stop = stop
        self._limit = limit
        self._changed = threading.Condition()
        self._submitted = 0
        self._delivered: dict[int, tuple[Block, list[Segment]]] = {}
        self._next = 0
        self._number = 0
        self._error: BaseException | None = None
        self._times: dict[int | None, SpeechTimes] = {}
        self._guards: dict[int | None, Guard] = {}
        stop.on_set(self._wake)

    @property
    def stopped(self) -> bool:
        """Whether its results are no longer needed."""
        return self._stop.is_set() or self._error is not None

    @property
    def doubtful(self) -> tuple[Doubtful, ...]:
        """The doubtful stretches of the segments emitted so far."""
        found = [one for guard in self._guards.values() for one in guard.doubtful]
        return tuple(sorted(found, key=lambda one: one.start))

    @property
    def has_words(self) -> bool:
        """Whether a segment was emitted."""
        return self._number > 0

    def wait_for_room(self, limit: int | None = None) -> None:
        """Wait until fewer blocks than the limit are on their way.

        Raises:
            StoppedError: It was stopped.
            Exception: That with which it failed.
        """
        limit = self._limit if limit is None else limit
        with self._changed:
            self._changed.wait_for(lambda: self.stopped or self._submitted - self._next < limit)
        self._stop.check()
        if self._error is not None:
            raise self._error

    def wait_until_done(self) -> None:
        """Wait until all blocks are decoded; errors as `wait_for_room`."""
        self.wait_for_room(1)

    def work(self, block: Block, prefix: tuple[int, ...], windows: Sequence[int], *, accurate: bool) -> Work:
        """Return the next block as work for the model; `windows` and `accurate` as for `judging.attempts`."""
        ladder = attempts(self.options.temperatures, windows, accurate=accurate)
        with self._changed:
            index, self._submitted = self._submitted, self._submitted + 1
        return Work(self, index, block, block, prefix, self.language, ladder)

    def deliver(self, work: Work, segments: list[Segment]) -> None:
        """Take the segments of a block, and emit all that are next."""
        with self._changed:
            if self.stopped:
                return
            if segments:
                sure = [one for one in segments if one.failed is None and one.temperature <= _RESET_TEMPERATURE]
                self.previous = tuple(token for one in sure for token in one.tokens)
            self._delivered[work.index] = (work.whole, segments)
            while self._next in self._delivered:
                self._publish(*self._delivered.pop(self._next))
                self._next += 1
            self._changed.notify_all()

    def fail(self, error: BaseException) -> None:
        """End it with an error."""
        with self._changed:
            self._error = self._error or error
            self._changed.notify_all()

    def _publish(self, block: Block, segments: list[Segment]) -> None:
        times = self._times.setdefault(block.channel, SpeechTimes())
        guard = self._guards.setdefault(block.channel, Guard())
        end = block.start + block.seconds
        narrowed = times.narrow(segments, block.spans, end, (block.margin_before, block.margin_after))
        for segment in guard.check(narrowed, block.spans):
            self._emit(replace(segment, id=self._number))
            self._number += 1

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()
