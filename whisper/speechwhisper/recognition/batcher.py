"""The threads that own the model, one per device. They decode the blocks of all requests together.

On a CPU there is a second thread. It decodes first blocks of requests while the first thread decodes later blocks of
others, or one that failed. Both take longer then, but a short command does not wait for a block of an hour-long file.

After the first block of a batch, a thread waits a few milliseconds at most, and only while another block is being
prepared.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from speechwhisper.recognition import judging
from speechwhisper.recognition.blocks import FRAMES_PER_SECOND
from speechwhisper.recognition.cuda_errors import context_lost
from speechwhisper.recognition.fairness import FairQueue
from speechwhisper.recognition.judging import Verdict
from speechwhisper.recognition.model import Request
from speechwhisper.recognition.port import Batch, BrokenError
from speechwhisper.recognition.speed import Speed
from speechwhisper.recognition.traces import traced
from speechwhisper.telemetry import logs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from speechwhisper.recognition.model import Decoded
    from speechwhisper.recognition.traces import TracedBatch
    from speechwhisper.recognition.transcript import Segment
    from speechwhisper.recognition.tuning import Tuning
    from speechwhisper.recognition.work import Recognition, Work

_MAX_WAIT_S = 0.006
_MAX_FAILURES = 3
"""Failures of a device in a row after which it is considered broken."""
_MIN_PROGRESS_S = 1.0
"""The end of a block is decoded again only if so much precedes it."""


class Weights(Protocol):
    """The model on one device; `model.Model` implements it."""

    def decode(self, requests: Sequence[Request]) -> list[Decoded]:
        """Decode one batch."""


class Batcher:
    """Decodes blocks in batches, judges the results, and decodes again what fails.

    Args:
        models: The model on each device.
        tuning: Sizes of batches.
    """

    def __init__(self, models: Sequence[Weights], tuning: Tuning) -> None:
        self._queue: FairQueue[Work] = FairQueue(tuning.batch_size, tuning.share, tuning.share_alone)
        self._changed = threading.Condition()
        self._preparing = 0
        self._continuing = [False] * len(models)
        """Whether what a device decodes are later blocks of recordings."""
        self._failures = [0] * len(models)
        """Of each device, in a row: one of several may fail while the others work."""
        self._broken: BrokenError | None = None
        self._on_broken: Callable[[], None] | None = None
        self._on_batch: Callable[[Batch], object] = _ignored
        self._closed = False
        self._speed = Speed()
        self._devices = len(models)
        self._threads = [
            threading.Thread(
                target=self._run, args=(number, model, lane > 0), name=f"model-{number}-{lane}", daemon=True
            )
            for number, model in enumerate(models)
            for lane in range(tuning.lanes)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def broken(self) -> bool:
        """Whether a device failed several times in a row, or lost its CUDA context."""
        return self._broken is not None

    @property
    def audio_seconds_per_second(self) -> float:
        """The measured speed of all threads together; 0 before the first measurement."""
        return self._speed.audio_seconds_per_second * self._devices

    def submit(self, work: Work) -> None:
        """Add a block behind those of its recording.

        Raises:
            BrokenError: A device is broken, or the threads were stopped.
        """
        with self._changed:
            self.check()
            if self._closed:
                raise _stopped()
            self._queue.add(work)
            self._changed.notify_all()

    def check(self) -> None:
        """Raise `BrokenError` if a device is broken."""
        if self._broken is not None:
            raise BrokenError(*self._broken.args)

    def on_broken(self, call: Callable[[], None]) -> None:
        """Call a function once a device is broken, in the thread that notices it; at once if one is broken already."""
        with self._changed:
            if self._broken is None:
                self._on_broken = call
                return
        call()

    def on_batch(self, call: Callable[[Batch], None]) -> None:
        """Call a function with each batch once it is decoded, in the thread that decodes it."""
        self._on_batch = call

    @contextmanager
    def counted(self, device: int = 0) -> Iterator[None]:
        """Count whether the `with` block, which uses a device, fails.

        Raises:
            BrokenError: It failed, and the device is broken.
            Exception: That with which it failed.
        """
        try:
            yield
        except Exception as error:
            failure = self._failed(device, error)
            if failure is error:
                raise
            raise failure from error
        self._failures[device] = 0

    @contextmanager
    def preparing(self) -> Iterator[None]:
        """State that a block is being prepared during the `with` block."""
        with self._changed:
            self._preparing += 1
        try:
            yield
        finally:
            with self._changed:
                self._preparing -= 1
                self._changed.notify_all()

    def discard(self, owner: Recognition) -> None:
        """Forget a recording that is done or given up, and its blocks."""
        with self._changed:
            self._queue.discard(owner)

    def close(self) -> None:
        """Stop the threads after their batches; recordings being decoded fail."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _run(self, device: int, model: Weights, only_new: bool) -> None:  # noqa: FBT001 - a thread's target
        while batch := self._next_batch(device, only_new=only_new):
            if live := [work for work in batch if not work.owner.stopped]:
                self._decode(device, model, live)

    def _next_batch(self, device: int, *, only_new: bool) -> list[Work]:
        """Return the next batch, once there is one; an empty one to stop.

        Args:
            device: That decodes it.
            only_new: Whether to wait until the device decodes later blocks, and then to take only first blocks.
        """
        with self._changed:
            if not only_new:
                self._continuing[device] = False
            self._changed.wait_for(lambda: self._closed or self._broken or self._may_take(device, only_new=only_new))
            if self._closed or self._broken:
                for work in self._drained():
                    work.owner.fail(self._broken or _stopped())
                return []
            if not only_new:
                self._continuing[device] = not self._queue.has_new
                self._changed.notify_all()
            batch = self._queue.take(only_new=only_new)
            until = time.monotonic() + _MAX_WAIT_S
            while batch[0].group is not None and len(batch) < self._queue.size:
                batch += self._queue.take(batch, only_new=only_new)
                left = until - time.monotonic()
                if not self._preparing or left <= 0:
                    break
                self._changed.wait(left)
            return batch

    def _may_take(self, device: int, *, only_new: bool) -> bool:
        return self._continuing[device] and self._queue.has_new if only_new else len(self._queue) > 0

    def _drained(self) -> list[Work]:
        drained = []
        while batch := self._queue.take():
            drained += batch
        return drained

    def _decode(self, device: int, model: Weights, batch: list[Work]) -> None:
        since = time.monotonic()
        for work in batch:
            work.decodings += 1
        traces = traced(batch, since)
        try:
            decoded = model.decode([_request(work) for work in batch])
        except Exception as error:  # noqa: BLE001 - CTranslate2 raises many; logged, and raised by the request
            if traces is not None:
                traces.failed(time.monotonic(), error)
            if len(batch) == 1:
                batch[0].owner.fail(self._failed(device, error))
            else:
                self._decode_each(device, model, batch)
            return
        until, sampled_id = time.monotonic(), ""
        if traces is not None:
            traces.until, sampled_id = until, traces.sampled_id
        window = batch[0].attempt.window / FRAMES_PER_SECOND
        self._on_batch(Batch(len(batch), window, since - batch[0].queued_at, until - since, sampled_id))
        done = 0.0
        for work, one in zip(batch, decoded, strict=True):
            try:
                done += self._settle(work, one, traces)
                self._failures[device] = 0
            except Exception as error:  # noqa: BLE001 - the model aligns words; as above
                work.owner.fail(self._failed(device, error))
        with self._changed:
            self._speed.decoded(done, time.monotonic() - since)

    def _decode_each(self, device: int, model: Weights, batch: list[Work]) -> None:
        """Decode the blocks of a batch that failed one by one: one of them may be the cause."""
        for work in batch:
            if self._broken is not None:
                work.owner.fail(self._broken)
            elif not work.owner.stopped:
                self._decode(device, model, [work])

    def _failed(self, device: int, error: Exception) -> Exception:
        """Log and count a failure; return what the request fails with: if the device is broken now, that."""
        self._failures[device] += 1
        logs.exception("decoding failed", device=device, failures=self._failures[device])
        lost = context_lost(error)
        if not lost and self._failures[device] < _MAX_FAILURES:
            return error
        reason = "lost its CUDA context" if lost else f"failed {_MAX_FAILURES} times in a row"
        broken = BrokenError(f"device {device} {reason}")
        broken.__cause__ = error
        with self._changed:
            if self._broken is None:
                self._broken = broken
                logs.error("the device is broken", device=device, reason=reason)
            call, self._on_broken = self._on_broken, None
            self._changed.notify_all()
        if call is not None:
            call()
        return broken

    def _settle(self, work: Work, decoded: Decoded, traces: TracedBatch | None) -> float:
        """Judge an attempt; deliver its segments, or queue what is left to decode.

        Returns:
            The seconds of audio that are done.
        """
        owner, attempt = work.owner, work.attempt
        verdict = judging.judge(decoded.result, work.block, attempt)
        work.tried.append(decoded)
        again = verdict is Verdict.AGAIN and len(work.tried) < len(work.attempts)
        if traces is not None:
            traces.judged(work, "doubtful" if verdict is Verdict.AGAIN and not again else verdict.value)
        if again:
            self._requeue(work)
            return 0.0
        if verdict is Verdict.AGAIN:
            decoded = work.tried[judging.best_of([one.result for one in work.tried])]
        segments: list[Segment] = []
        if verdict is not Verdict.SILENT:
            segments = list(decoded.segments_with_words if owner.options.word_timestamps else decoded.segments)
        if verdict is Verdict.AGAIN:
            segments = [judging.failed(segment, attempt) for segment in segments]
        if segments and owner.language is None:
            owner.language, owner.language_probability = decoded.language, decoded.language_probability
        end = decoded.result.last_end
        if segments and end >= _MIN_PROGRESS_S and judging.lost_tail(decoded.result, work.block):
            work.keep(segments, end)
            self._requeue(work)
            return end
        owner.deliver(work, work.done + segments)
        return work.block.seconds

    def _requeue(self, work: Work) -> None:
        with self._changed:
            if not work.owner.stopped:
                work.queued_at = time.monotonic()
                # Only its first retry is at once: all of them would delay everyone else.
                self._queue.add(work, first=True, keep_turn=work.decodings > 1)
                self._changed.notify_all()


def _request(work: Work) -> Request:
    return Request(work.block, work.attempt, work.prefix, work.language, work.owner.options.task)


def _ignored(_: Batch) -> None:
    """Nobody counts batches."""


def _stopped() -> BrokenError:
    return BrokenError("the model has stopped")
