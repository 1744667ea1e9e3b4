"""Jobs: each receives, decodes and transcribes the recording of one request, in one slot.

Blocking work runs in worker threads. A cancelled request (its client disconnected) sets the job's stop flag and waits
for its thread, so that a slot is never released while its thread is still computing.
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from speechwhisper.audio import decode as audio_decoding
from speechwhisper.intake.pipe import BytePipe
from speechwhisper.recognition.transcript import Segment, Transcript, TranscriptionInfo

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from speechwhisper.audio.decode import Audio
    from speechwhisper.recognition.options import Options
    from speechwhisper.recognition.port import Decoder
    from speechwhisper.slots import Slot, Slots
    from speechwhisper.telemetry.metrics import Metrics

T = TypeVar("T")


class AudioIntake:
    """The sink of an upload: takes encoded bytes, returns the decoded recording."""

    def __init__(self, pipe: BytePipe, future: asyncio.Future[Audio], metrics: Metrics) -> None:
        self._pipe = pipe
        self._future = future
        self._metrics = metrics

    async def write(self, chunk: bytes) -> None:
        """Pass bytes to the decoding thread.

        Raises:
            Problem: The file was rejected.
        """
        self._metrics.upload_bytes.inc(len(chunk))
        if not await self._pipe.write(chunk):
            await asyncio.shield(self._future)

    async def audio(self) -> Audio:
        """Return the recording, after the last byte was written."""
        self._pipe.end()
        return await asyncio.shield(self._future)


class Recognition:
    """A running recognition."""

    def __init__(self, queue: asyncio.Queue[Segment | None], future: asyncio.Future[TranscriptionInfo]) -> None:
        self._queue = queue
        self._future = future

    async def segments(self) -> AsyncIterator[Segment]:
        """Yield segments as they are decoded."""
        while (segment := await self._queue.get()) is not None:
            yield segment

    async def info(self) -> TranscriptionInfo:
        """Return language and durations after the last segment; raises the exception of a failed decoding."""
        return await asyncio.shield(self._future)


class Job:
    """One job in its slot."""

    def __init__(self, jobs: Jobs, slot: Slot) -> None:
        self._jobs = jobs
        self._slot = slot
        self._begun = jobs.clock()
        self._stop = threading.Event()
        self._running: asyncio.Future[Any] | None = None
        self._pipe: BytePipe | None = None

    def decode_audio(self, options: Options, *, raw: bool) -> AudioIntake:
        """Start to decode a file while it is uploaded.

        Args:
            options: Of the request.
            raw: Whether the file is raw 16 kHz samples without a container.
        """
        pipe = self._pipe = BytePipe(asyncio.get_running_loop())
        decode = partial(
            audio_decoding.decode_raw if raw else audio_decoding.decode,
            audio_track=options.audio_track,
            separate_channels=options.separate_channels,
        )
        future = self._submit(partial(_decode_and_abandon, decode, pipe, self._jobs.max_audio_seconds))
        return AudioIntake(pipe, future, self._jobs.metrics)

    async def detect_language(self, audio: Audio) -> tuple[str, float]:
        """Return the code of the spoken language and its probability."""
        self._slot.started(self._jobs.clock(), min(audio.duration, 30.0))
        return await asyncio.shield(self._submit(partial(self._jobs.decoder.detect_language, audio, self._stop)))

    async def transcribe(self, audio: Audio, options: Options) -> Transcript:
        """Transcribe the whole recording."""
        recognition = self.recognise(audio, options)
        segments = [segment async for segment in recognition.segments()]
        return Transcript.of(segments, await recognition.info())

    def recognise(self, audio: Audio, options: Options) -> Recognition:
        """Start to transcribe; segments arrive as they are decoded."""
        jobs, slot = self._jobs, self._slot
        loop = asyncio.get_running_loop()
        queue: asyncio.Queue[Segment | None] = asyncio.Queue()
        decoding_since = jobs.clock()
        slot.started(decoding_since, audio.duration)
        jobs.metrics.audio_seconds.inc(audio.duration)

        def arrived(segment: Segment) -> None:
            now = jobs.clock()
            if segment.id == 0:
                jobs.metrics.first_segment_seconds.observe(now - self._begun)
            slot.reached(now, segment.end)
            queue.put_nowait(segment)

        def emit(segment: Segment) -> None:
            loop.call_soon_threadsafe(arrived, segment)

        def finished(done: asyncio.Future[TranscriptionInfo]) -> None:
            elapsed = jobs.clock() - decoding_since
            jobs.metrics.decode_seconds.inc(elapsed)
            if not done.cancelled() and done.exception() is None:
                jobs.metrics.speech_seconds.inc(done.result().speech_seconds)
                jobs.slots.speed.observe(done.result().transcribed_seconds, elapsed)
            queue.put_nowait(None)

        future = self._submit(partial(jobs.decoder.decode, audio, options, emit, self._stop))
        future.add_done_callback(finished)
        return Recognition(queue, future)

    async def stop(self) -> None:
        """Set the stop flag and wait for the thread, even if the wait is cancelled."""
        self._stop.set()
        if self._pipe is not None:
            self._pipe.break_off()
        cancelled = False
        while self._running is not None and not self._running.done():
            try:
                await asyncio.wait([self._running])
            except asyncio.CancelledError:
                cancelled = True
        if self._running is not None and not self._running.cancelled():
            self._running.exception()  # retrieved: the request already has its own error
        if cancelled:
            raise asyncio.CancelledError

    def _submit(self, function: Callable[[], T]) -> asyncio.Future[T]:
        future = self._jobs.submit(function)
        self._running = future
        return future


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
        # A job first decodes its audio, then transcribes it: one thread per slot suffices.
        self._executor = ThreadPoolExecutor(slots.capacity, thread_name_prefix="job")

    @asynccontextmanager
    async def job(self, max_wait: float = 0.0) -> AsyncIterator[Job]:
        """Acquire a slot for the duration of the block.

        Args:
            max_wait: Seconds to wait for a slot.

        Raises:
            Problem: `busy`, if no slot was free in time.
        """
        slot = await self.slots.acquire(max_wait)
        job = Job(self, slot)
        try:
            yield job
        finally:
            try:
                await job.stop()
            finally:
                self.slots.release(slot)

    def submit(self, function: Callable[[], T]) -> asyncio.Future[T]:
        """Run a blocking function in a worker thread."""
        return asyncio.get_running_loop().run_in_executor(self._executor, function)

    def close(self) -> None:
        """Accept no more work; running threads finish."""
        self._executor.shutdown(wait=False, cancel_futures=True)


def _decode_and_abandon(decode: Callable[[BytePipe, float], Audio], pipe: BytePipe, max_seconds: float) -> Audio:
    try:
        return decode(pipe, max_seconds)
    finally:
        pipe.abandon()
