"""The first stage: a recording becomes a transcript."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING

from speechbridge.audio.port import RestartRequired, estimated_duration
from speechbridge.stages.attempt import Stage
from speechbridge.transcribers.transcript import Transcript
from speechbridge.upstreams.failures import UpstreamError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from speechbridge.admission.retry_after import Backlog
    from speechbridge.audio.port import Audio
    from speechbridge.stages.call import Call
    from speechbridge.telemetry.metrics import Metrics
    from speechbridge.telemetry.timeline import Timeline
    from speechbridge.transcribers.port import Transcriber, TranscriptionOptions
    from speechbridge.transcribers.transcript import Segment
    from speechbridge.upstreams.pool import Pool


class Transcription(Stage):
    """Transcribes recordings with the Whisper pods.

    Args:
        transcriber: The protocol of the pods.
        pool: The pods.
        metrics: Where waits, durations and failures are recorded.
        backlog: Accounts for the audio in progress.
        retry_after: Returns the seconds to report in Retry-After when every pod is busy.
        clock: Seconds of a monotonic clock.
    """

    name = "transcribe"
    upstream = "whisper"

    def __init__(
        self,
        transcriber: Transcriber,
        pool: Pool,
        metrics: Metrics,
        backlog: Backlog,
        retry_after: Callable[[], int],
        clock: Callable[[], float],
    ) -> None:
        super().__init__(pool, metrics, retry_after, clock)
        self._transcriber = transcriber
        self._backlog = backlog

    async def run(
        self, audio: Audio, options: Callable[[], TranscriptionOptions], call: Call
    ) -> AsyncGenerator[Segment | Transcript]:
        """Yield segments as they are decoded (for a call that streams), then the transcript.

        Args:
            audio: The recording; may still be arriving.
            options: Returns the options in the form fields received so far.
            call: The request.

        Raises:
            Problem: The recording cannot be transcribed, or Whisper failed.
        """
        retry = self._retry(call)
        sent = False
        transcript = None
        while transcript is None:
            await audio.buffer_until_ready()
            try:
                with self._backlog.entry(estimated_duration(audio, call.expected_size)) as start_work:
                    async with self._attempt(retry, call) as endpoint:
                        start_work()
                        call.timeline.transcribing = self._clock()
                        call.segments.clear()
                        call.deadline.reporting = self._transcriber.reports_progress
                        items = self._transcriber.transcribe(endpoint, audio, options, call.headers)
                        async with aclosing(items):
                            async for item in items:
                                self._record(item, call.timeline)
                                call.deadline.progress()
                                if isinstance(item, Transcript):
                                    transcript = item
                                    continue
                                call.segments.append(item)
                                if call.streams:
                                    sent = True
                                    yield item
            except RestartRequired:
                await call.buffer_again(audio)
            except UpstreamError as error:
                if sent or not audio.replayable or not retry.allowed(error):
                    raise self._problem(error) from None
            finally:
                call.deadline.reporting = True
        yield transcript  # the pod has been released already, so a slow caller does not occupy it

    async def transcript(self, audio: Audio, options: Callable[[], TranscriptionOptions], call: Call) -> Transcript:
        """Return the transcript alone; raises as `run` does."""
        async with aclosing(self.run(audio, options, replace(call, streams=False))) as items:
            async for item in items:
                if isinstance(item, Transcript):
                    return item
        raise AssertionError("the last item is the transcript, or an error is raised")

    def _record(self, item: Segment | Transcript, timeline: Timeline) -> None:
        now = self._clock()
        if timeline.first_segment is None:
            timeline.first_segment = now
            self.metrics.first_segment_seconds.observe(now - timeline.started)
        if not isinstance(item, Transcript):
            return
        timeline.transcribed = now
        if item.duration and timeline.transcribing is not None:
            work = now - timeline.transcribing
            self.metrics.audio.inc(item.duration)
            self.metrics.realtime_factor.observe(work / item.duration)
            self._backlog.observe(item.duration, work)
