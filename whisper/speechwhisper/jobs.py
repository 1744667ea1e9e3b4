"""Jobs: each receives and transcribes the recording of one request, in one slot.

A worker thread per job decodes the audio while it is uploaded, and passes it to the recognition. A cancelled request
(its client disconnected) sets the job's stop flag and waits for its thread, so that a slot is never released while its
thread is still computing.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Generic, TypeVar

from speechwhisper.admission.retry_after import STOPPING_S
from speechwhisper.audio.decode import Recording, open_recording
from speechwhisper.errors import Problem
from speechwhisper.intake.announced import assumed_channels
from speechwhisper.intake.pipe import BytePipe
from speechwhisper.recognition import traces
from speechwhisper.recognition.port import BrokenError, Stop
from speechwhisper.recognition.transcript import Segment, Transcript, TranscriptionInfo
from speechwhisper.telemetry.metrics import exemplar

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from speechwhisper.admission.slots import Slot, Slots
    from speechwhisper.recognition.options import Options
    from speechwhisper.recognition.port import Batch, Decoder
    from speechwhisper.telemetry.metrics import Metrics
    from speechwhisper.telemetry.spans import RequestTrace

T = TypeVar("T")
R_co = TypeVar("R_co", covariant=True)


class Run(Generic[R_co]):
    """A thread that reads a recording while it is uploaded, and its result.

    Args:
        pipe: Through which the thread reads the file.
        stop: Its stop flag.
        future: Its result.
    """

    def __init__(self, pipe: BytePipe, stop: Stop, future: asyncio.Future[R_co]) -> None:
        self._pipe = pipe
        self._stop = stop
        self._future = future

    async def write(self, chunk: bytes) -> None:
        """Pass bytes of the file to the thread, waiting while it has enough.

        Raises:
            Problem: The file was rejected.
        """
        if not await self._pipe.write(chunk):
            await self.result()  # raises, unless the thread does not need the rest of the file

    def end(self) -> None:
        """State that the file is complete."""
        self._pipe.end()

    async def result(self) -> R_co:
        """Wait for the result, or raise the exception of the thread."""
        return await asyncio.shield(self._future)

    async def stop(self) -> None:
        """Set the stop flag and wait for the thread, even if the wait is cancelled."""
        self._stop.set()
        self._pipe.break_off()
        cancelled = False
        while not self._future.done():
            try:
                await asyncio.wait([self._future])
            except asyncio.CancelledError:
                cancelled = True
        if not self._future.cancelled():
            self._future.exception()  # retrieved: the request already has its own error
        if cancelled:
            raise asyncio.CancelledError


class Transcription(Run[TranscriptionInfo]):
    """A transcription that runs while the file is uploaded."""

    def __init__(
        self,
        pipe: BytePipe,
        stop: Stop,
        future: asyncio.Future[TranscriptionInfo],
        queue: asyncio.Queue[Segment | None],
    ) -> None:
        super().__init__(pipe, stop, future)
        self._queue = queue

    async def segments(self) -> AsyncIterator[Segment]:
        """Yield segments as they are decoded; ends early if it fails."""
        while (segment := await self._queue.get()) is not None:
            yield segment

    async def transcript(self) -> Transcript:
        """Return the whole transcript, or raise the exception of the thread."""
        segments = [segment async for segment in self.segments()]
        return Transcript.of(segments, await self.result())


class Job:
    """One job in its slot, traced if `trace` is given."""

    def __init__(self, jobs: Jobs, slot: Slot, trace: RequestTrace | None) -> None:
        self._jobs = jobs
        self._trace = trace
        self._slot = slot
        self._begun = jobs.clock()
        self._runs: list[Run[object]] = []

    def detect_language(self, options: Options, *, raw: bool) -> Run[tuple[str, float]]:
        """Start to detect the language: its code and its probability.

        Args:
            options: Of the request.
            raw: Whether the file is raw 16 kHz samples without a container.
        """
        pipe, stop, future = self._submit(options, self._jobs.decoder.detect_language, raw=raw)
        return self._remember(Run(pipe, stop, future))

    def transcribe(self, options: Options, *, raw: bool) -> Transcription:
        """Start to transcribe; arguments as of `detect_language`."""
        jobs, slot = self._jobs, self._slot
        loop = asyncio.get_running_loop()
        queue: asyncio.Queue[Segment | None] = asyncio.Queue()
        since = jobs.clock()
        trace = None if self._trace is None else self._trace.recognition()
        traced = None if trace is None else exemplar(trace.sampled_id)

        def arrived(segment: Segment) -> None:
            now = jobs.clock()
            if segment.id == 0:
                jobs.metrics.first_segment_seconds.observe(now - self._begun, traced)
            slot.reached(segment.end)
            queue.put_nowait(segment)

        def emit(segment: Segment) -> None:
            loop.call_soon_threadsafe(arrived, segment)

        def decode(recording: Recording, stop: Stop) -> TranscriptionInfo:
            return jobs.decoder.decode(recording, options, emit, stop, trace)

        def finished(done: asyncio.Future[TranscriptionInfo]) -> None:
            try:
                jobs.metrics.decode_seconds.inc(jobs.clock() - since)
                if not done.cancelled() and done.exception() is None:
                    info = done.result()
                    slot.finished(info.duration)
                    _count_coverage(jobs.metrics, info)
            finally:
                queue.put_nowait(None)  # whatever fails: the request waits for it
            if trace is not None:
                traces.end(trace, done)

        pipe, stop, future = self._submit(options, decode, raw=raw)
        future.add_done_callback(finished)
        return self._remember(Transcription(pipe, stop, future, queue))

    async def stop(self) -> None:
        """Stop what is running and wait for its thread."""
        for run in self._runs:
            await run.stop()

    def _submit(
        self, options: Options, function: Callable[[Recording, Stop], T], *, raw: bool
    ) -> tuple[BytePipe, Stop, asyncio.Future[T]]:
        loop, slot = asyncio.get_running_loop(), self._slot
        pipe, stop = BytePipe(loop), Stop()
        slot.has_channels(assumed_channels(separate=options.separate_channels, raw=raw))

        def on_channels(channels: int) -> None:
            loop.call_soon_threadsafe(slot.has_channels, channels)

        recording = open_recording(
            pipe,
            self._jobs.max_audio_seconds,
            raw=raw,
            audio_track=options.audio_track,
            separate_channels=options.separate_channels,
            on_channels=on_channels,
        )
        return pipe, stop, self._jobs.submit(partial(_and_abandon, function, recording, stop, pipe))

    def _remember(self, run: AnyRun) -> AnyRun:
        self._runs.append(run)
        return run


AnyRun = TypeVar("AnyRun", bound=Run[object])


class Jobs:
    """Runs jobs in slots."""

    def __init__(
        self,
        decoder: Decoder,
        slots: Slots,
        metrics: Metrics,
        *,
        max_audio_seconds: float,
        clock: Callable[[], float],
    ) -> None:
        self.decoder = decoder
        self.slots = slots
        self.metrics = metrics
        self.max_audio_seconds = max_audio_seconds
        self.clock = clock
        # One thread per slot suffices: a job stops one run before it starts another.
        self._executor = ThreadPoolExecutor(slots.capacity, thread_name_prefix="job")
        decoder.on_batch(self._count_batch)

    @asynccontextmanager
    async def job(
        self, announced: float | None = None, channels: int = 1, trace: RequestTrace | None = None
    ) -> AsyncIterator[Job]:
        """Acquire a slot for the duration of the block, waiting for it in the queue.

        Args:
            announced: The client's estimate of the recording's duration in seconds, if it gave one.
            channels: Number of channels that are decoded separately, as far as it is known.
            trace: The spans of the request, if it is traced.

        Raises:
            Problem: `busy`: the queue is full, or the server is shutting down.
        """
        slot = await self._slot(announced, channels, trace)
        job = Job(self, slot, trace)
        try:
            yield job
        finally:
            try:
                await job.stop()
            finally:
                self.slots.release(slot)

    async def _slot(self, announced: float | None, channels: int, trace: RequestTrace | None) -> Slot:
        if trace is None or self.slots.busy < self.slots.capacity:
            return await self.slots.acquire(announced, channels)
        since, error_type = monotonic(), ""
        try:
            return await self.slots.acquire(announced, channels)
        except asyncio.CancelledError:
            error_type = "cancelled"
            raise
        except Problem as problem:
            error_type = problem.code
            raise
        finally:
            trace.waited(since, error_type)

    def submit(self, function: Callable[[], T]) -> asyncio.Future[T]:
        """Run a blocking function in a worker thread."""
        return asyncio.get_running_loop().run_in_executor(self._executor, function)

    def _count_batch(self, batch: Batch) -> None:
        metrics, traced = self.metrics, exemplar(batch.trace_id)
        metrics.batch_blocks.observe(batch.blocks)
        metrics.batch_window.observe(batch.window)
        metrics.batch_wait.observe(batch.wait, traced)
        metrics.batch_seconds.observe(batch.duration, traced)

    def close(self) -> None:
        """Accept no more work; running threads finish."""
        self._executor.shutdown(wait=False, cancel_futures=True)
        self.decoder.close()


def _count_coverage(metrics: Metrics, info: TranscriptionInfo) -> None:
    metrics.audio_seconds.inc(info.duration)
    metrics.speech_seconds.inc(info.speech_seconds)
    metrics.transcribed_seconds.inc(info.transcribed_seconds)
    for one in info.doubtful:
        metrics.doubtful_seconds.labels(one.reason).inc(one.end - one.start)
    for gap in info.gaps:
        metrics.skipped_seconds.labels("damaged" if gap.damaged else "no_data").inc(gap.seconds)
    if info.missing:
        metrics.skipped_seconds.labels("truncated").inc(info.missing)


def _and_abandon(function: Callable[[Recording, Stop], T], recording: Recording, stop: Stop, pipe: BytePipe) -> T:
    try:
        return function(recording, stop)
    except BrokenError as error:
        detail = f"Decoding is not possible: {error}. The server restarts."
        raise Problem("broken", detail, retry_after=STOPPING_S) from error
    finally:
        pipe.abandon()
