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
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from speechwhisper.recognition import judging
from speechwhisper.recognition.blocks import FRAMES_PER_SECOND
from speechwhisper.recognition.detection import Detection
from speechwhisper.recognition.devices import Devices
from speechwhisper.recognition.fairness import FairQueue
from speechwhisper.recognition.judging import Verdict
from speechwhisper.recognition.model import Request
from speechwhisper.recognition.port import Batch, BrokenError
from speechwhisper.recognition.speed import Speed
from speechwhisper.recognition.traces import traced
from speechwhisper.recognition.tuning import FULL_WINDOW
from speechwhisper.recognition.work import Work

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from speechwhisper.recognition.blocks import Block
    from speechwhisper.recognition.model import Decoded
    from speechwhisper.recognition.traces import TracedBatch
    from speechwhisper.recognition.transcript import Segment
    from speechwhisper.recognition.tuning import Tuning
    from speechwhisper.recognition.work import Recognition

_MAX_WAIT_S = 0.006
_MIN_PROGRESS_S = 1.0
"""The end of a block is decoded again only if so much precedes it."""


class Weights(Protocol):
    """The model on one device; `model.Model` implements it."""

    def decode(self, requests: Sequence[Request]) -> list[Decoded]:
        """Decode one batch."""

    def detect(self, blocks: Sequence[Block], window: int) -> list[tuple[str, float]]:
        """Detect the language of each block: its code and its probability."""


class Batcher:
    """Decodes blocks in batches, judges the results, and decodes again what fails.

    Args:
        models: The model on each device.
        tuning: Sizes of batches.

    Attributes:
        devices: Their state.
    """

    def __init__(self, models: Sequence[Weights], tuning: Tuning) -> None:
        self.devices = Devices(len(models), tuning.batch_size)
        self._queue: FairQueue[Work | Detection] = FairQueue(tuning.batch_size, tuning.share, tuning.share_alone)
        self._changed = threading.Condition()
        self._preparing = 0
        self._continuing = [False] * len(models)
        """Whether what a device decodes are later blocks of recordings."""
        self._on_batch: Callable[[Batch], object] = _ignored
        self._closed = False
        self._speeds = [Speed() for _ in models]
        self._threads = [
            threading.Thread(
                target=self._run, args=(number, model, lane > 0), name=f"model-{number}-{lane}", daemon=True
            )
            for number, model in enumerate(models)
            for lane in range(tuning.lanes)
        ]
        self.devices.on_broken(self._wake)
        for thread in self._threads:
            thread.start()

    @property
    def audio_seconds_per_second(self) -> float:
        """The measured speed of all devices together, as if all were busy; 0 before the first measurement."""
        measured = [one.audio_seconds_per_second for one in self._speeds if one.audio_seconds_per_second]
        return sum(measured) / len(measured) * len(self._speeds) if measured else 0.0

    def submit(self, work: Work | Detection) -> None:
        """Add a block behind those of its recording.

        Raises:
            BrokenError: A device is broken, or the threads were stopped.
        """
        with self._changed:
            self.devices.check()
            if self._closed:
                raise _stopped()
            self._queue.add(work)
            self._changed.notify_all()

    def on_batch(self, call: Callable[[Batch], None]) -> None:
        """Call a function with each batch once it is decoded, in the thread that decodes it."""
        self._on_batch = call

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

    def discard(self, owner: Recognition | Detection) -> None:
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
            self._process(device, model, batch)

    def _next_batch(self, device: int, *, only_new: bool) -> list[Work | Detection]:
        """Return the next batch, once there is one; an empty one to stop.

        Args:
            device: That decodes it.
            only_new: Whether to wait until the device decodes later blocks, and then to take only first blocks.
        """
        with self._changed:
            if not only_new:
                self._continuing[device] = False
            self._changed.wait_for(lambda: self._ended or self._may_take(device, only_new=only_new))
            if self._ended:
                for work in self._drained():
                    work.owner.fail(self.devices.broken or _stopped())
                return []
            if not only_new:
                self._continuing[device] = not self._queue.has_new
                self._changed.notify_all()
            size = self.devices.batch_size(device)
            batch = self._queue.take(only_new=only_new, size=size)
            until = time.monotonic() + _MAX_WAIT_S
            while batch[0].group is not None and len(batch) < size:
                batch += self._queue.take(batch, only_new=only_new, size=size)
                left = until - time.monotonic()
                if not self._preparing or left <= 0:
                    break
                self._changed.wait(left)
            return batch

    @property
    def _ended(self) -> bool:
        return self._closed or self.devices.broken is not None

    def _may_take(self, device: int, *, only_new: bool) -> bool:
        return self._continuing[device] and self._queue.has_new if only_new else len(self._queue) > 0

    def _drained(self) -> list[Work | Detection]:
        drained: list[Work | Detection] = []
        while batch := self._queue.take():
            drained += batch
        return drained

    def _process(self, device: int, model: Weights, batch: Sequence[Work | Detection]) -> None:
        """Decode what is still needed of a batch; all of it is work of one kind."""
        live = [one for one in batch if not one.owner.stopped]
        if self.devices.broken is not None:
            for one in live:
                one.owner.fail(self.devices.broken)
            return
        if works := [one for one in live if isinstance(one, Work)]:
            self._decode(device, model, works)
        if detections := [one for one in live if isinstance(one, Detection)]:
            self._detect(device, model, detections)

    def _detect(self, device: int, model: Weights, batch: list[Detection]) -> None:
        try:
            languages = model.detect([one.block for one in batch], FULL_WINDOW)
        except Exception as error:  # noqa: BLE001 - CTranslate2 raises many; logged, and raised by the request
            self._process_smaller(device, model, batch, error)
            return
        self.devices.worked(device)
        for one, language in zip(batch, languages, strict=True):
            one.deliver(language)

    def _decode(self, device: int, model: Weights, batch: list[Work]) -> None:
        since = self._begin(device)
        for work in batch:
            work.decodings += 1
        traces = traced(batch, since)
        try:
            decoded = model.decode([_request(work) for work in batch])
        except Exception as error:  # noqa: BLE001 - CTranslate2 raises many; logged, and raised by the request
            until = self._end(device, 0.0)
            if traces is not None:
                traces.failed(until, error)
            self._process_smaller(device, model, batch, error)
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
                self.devices.worked(device)
            except Exception as error:  # noqa: BLE001 - the model aligns words; as above
                work.owner.fail(self.devices.failed(device, error))
        self._end(device, done)

    def _begin(self, device: int) -> float:
        """Measure the speed from now on; return the time."""
        with self._changed:
            now = time.monotonic()
            self._speeds[device].begin(now)
        return now

    def _end(self, device: int, audio_seconds: float) -> float:
        """Measure the speed until now; return the time."""
        with self._changed:
            now = time.monotonic()
            self._speeds[device].end(audio_seconds, now)
        return now

    def _process_smaller(
        self, device: int, model: Weights, batch: Sequence[Work | Detection], error: Exception
    ) -> None:
        """Decode a batch that failed in smaller ones; fail a block that was alone."""
        if len(batch) == 1:
            batch[0].owner.fail(self.devices.failed(device, error))
            return
        size = self.devices.batch_failed(device, len(batch), error)
        while batch:
            size = min(size, self.devices.batch_size(device))  # the first part may be too large again
            part, batch = batch[:size], batch[size:]
            self._process(device, model, part)

    def _settle(self, work: Work, decoded: Decoded, traces: TracedBatch | None) -> float:
        """Judge an attempt; deliver its segments, or queue what is left to decode.

        Returns:
            The seconds of audio that are done.
        """
        owner, failure = work.owner, None
        verdict = judging.judge(decoded.result, work.block, work.attempt)
        work.tried.append(decoded)
        again = verdict is Verdict.AGAIN and len(work.tried) < len(work.attempts)
        if traces is not None:
            traces.judged(work, "doubtful" if verdict is Verdict.AGAIN and not again else verdict.value)
        if again:
            self._requeue(work)
            return 0.0
        if verdict is Verdict.AGAIN:
            best = judging.best_of([one.result for one in work.tried])
            decoded = work.tried[best]
            failure = judging.failure(decoded.result, work.block, work.attempts[best])
        segments: list[Segment] = []
        if verdict is not Verdict.SILENT:
            segments = list(decoded.segments_with_words if owner.options.word_timestamps else decoded.segments)
        segments = [replace(segment, failed=failure) for segment in segments]
        if segments and owner.language is None:
            owner.language, owner.language_probability = decoded.language, decoded.language_probability
        end = decoded.result.last_end
        if segments and end >= _MIN_PROGRESS_S and judging.lost_tail(decoded.result, work.block):
            work.keep(segments, end)
            self._requeue(work)
            return end
        owner.deliver(work, work.done + segments)
        return work.block.seconds

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

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
