"""The first stage: a recording becomes a transcript."""

from __future__ import annotations

from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

from speechbridge.audio.port import RestartRequired, excerpt_of
from speechbridge.stages.attempt import Stage
from speechbridge.stages.in_time import check_in_time
from speechbridge.upstreams.failures import UpstreamError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from speechbridge.admission.retry_after import Backlog
    from speechbridge.audio.durations import Duration, Durations
    from speechbridge.audio.headers.excerpt import Excerpt
    from speechbridge.audio.port import Audio
    from speechbridge.stages.call import Call
    from speechbridge.stages.demand import Demand
    from speechbridge.stages.hold import Hold
    from speechbridge.telemetry.metrics import Metrics
    from speechbridge.telemetry.pod_span import PodSpan
    from speechbridge.telemetry.timeline import Timeline
    from speechbridge.transcribers.port import OnSegment, Segments, Transcriber, TranscriptionOptions
    from speechbridge.transcribers.transcript import Segment, Transcript
    from speechbridge.upstreams.pool import Pool

_SHORT_SECONDS = 60.0
"""Up to this duration a caller who does not stream gains nothing from segments; longer ones show progress by them."""


class Transcription(Stage):
    """Transcribes recordings with the Whisper pods.

    Args:
        transcriber: The protocol of the pods.
        pool: The pods.
        demand: Counts the requests.
        hold: Holds requests while no pod can be reached.
        metrics: Where waits, durations and failures are recorded.
        backlog: Accounts for the audio in progress.
        durations: Estimates how long recordings are, and learns from transcripts.
        retry_after: Returns the seconds to report in Retry-After when every pod is busy.
        clock: Seconds of a monotonic clock.
    """

    name = "transcribe"
    upstream = "whisper"
    operation = "speech_to_text"

    def __init__(
        self,
        transcriber: Transcriber,
        pool: Pool,
        demand: Demand,
        hold: Hold,
        metrics: Metrics,
        backlog: Backlog,
        durations: Durations,
        retry_after: Callable[[], int],
        clock: Callable[[], float],
    ) -> None:
        super().__init__(pool, demand, hold, metrics, retry_after, clock)
        self._transcriber = transcriber
        self._backlog = backlog
        self._durations = durations

    async def run(
        self, audio: Audio, options: Callable[[], TranscriptionOptions], call: Call, pass_on: OnSegment
    ) -> Transcript:
        """Return the transcript; the pod has been released by then.

        Args:
            audio: The recording; may still be arriving.
            options: Returns the options in the form fields received so far.
            call: The request.
            pass_on: Sends a segment to the client as it is decoded, if the call streams.

        Raises:
            Problem: The recording cannot be transcribed, or not in time, or Whisper failed.
        """
        retry = self._retry(call)
        sent = False
        while True:
            await self.buffer(audio)
            excerpt = excerpt_of(audio, call.expected_size)
            self.check_in_time([excerpt], call)
            duration = self._durations.of(excerpt)
            segments = _segments_for(call, duration)
            reports = self._transcriber.reports_progress and (
                segments != "none" or not call.deadline.stalls_within(duration.seconds)
            )
            call.deadline.reporting = False  # the waits for a pod have limits of their own
            try:
                with self._backlog.entry(duration.seconds) as start_work:
                    work = Work(self._clock, audio)
                    begin = self._beginner(start_work, work, call, reports=reports)

                    async def on_segment(segment: Segment, work: Work = work) -> None:
                        nonlocal sent
                        self._record_first(call.timeline)
                        call.deadline.progress()
                        call.segments.append(segment)
                        if call.streams:
                            sent = True
                            audio.commit()
                            with work.paused():
                                await pass_on(segment)

                    if not self._pool.reachable:
                        await self._until_reachable(call, audio_seconds=duration.seconds)
                    attempt = self._queued_attempt(retry, call, duration.seconds, begin)
                    async with attempt as acquisition:
                        transcript = await self._transcriber.transcribe(
                            acquisition, audio, options, attempt.headers, on_segment, segments=segments
                        )
                        if segments == "none" and self._transcriber.reports_progress:
                            self._record_first(call.timeline)  # the recording is short: its end is as good
                        call.deadline.progress()
                        self._record(transcript, work.seconds(), call.timeline, attempt.span)
                        if not excerpt.complete:
                            excerpt = excerpt_of(audio, None)
                        self._durations.learn(excerpt, transcript.duration or 0.0)
                audio.discard()
                return transcript.with_channels_checked() if options().separate_channels else transcript
            except RestartRequired:
                await call.buffer_again(lambda: self.buffer(audio))
            except UpstreamError as error:
                if sent or not audio.replayable or not retry.allowed(error):
                    raise self._problem(retry.cause(error)) from None
            finally:
                call.deadline.reporting = True

    async def transcript(self, audio: Audio, options: Callable[[], TranscriptionOptions], call: Call) -> Transcript:
        """Return the transcript alone; raises as `run` does."""
        return await self.run(audio, options, replace(call, streams=False), _keep)

    async def buffer(self, audio: Audio) -> None:
        """Wait until enough of a recording has arrived for a pod; until then it counts as an upload in progress."""
        if audio.whole is not None:
            return

        def arrived() -> float:
            return self._durations.of(excerpt_of(audio, None)).seconds

        held = self.demand.held(arrived)  # so that a pod starts meanwhile
        early: AbstractContextManager[None] = nullcontext() if self._pool.reachable else held
        with self._backlog.arriving(arrived), early:
            await audio.buffer_until_ready()

    def check_in_time(self, recordings: Iterable[Excerpt], call: Call, param: str = "file") -> None:
        """Reject recordings that the fastest pod could not transcribe in time, one after the other.

        Args:
            recordings: What is known of them: one that is complete may tell its duration at its end.
            call: The request.
            param: Where they are in the request.

        Raises:
            Problem: `audio_too_long`.
        """
        if (pace := self._backlog.best_pace) is not None:
            check_in_time(map(self._durations.of, recordings), pace, call.deadline.limits, param)

    def _beginner(self, start_work: Callable[[], None], work: Work, call: Call, *, reports: bool) -> Callable[[], None]:
        """Return what to call when a pod begins to work.

        Args:
            start_work: Moves the recording from the waiting ones to those in progress.
            work: Measures the work.
            call: The request.
            reports: Whether the pod reports its progress.
        """

        def begin() -> None:
            start_work()
            call.timeline.transcribing = self._clock()
            work.begin()
            call.segments.clear()
            call.deadline.reporting = reports
            call.on_accepted()

        return begin

    def _record_first(self, timeline: Timeline) -> None:
        if timeline.first_segment is None:
            timeline.first_segment = self._clock()
            seconds = timeline.first_segment - timeline.started
            self.metrics.first_segment_seconds.observe(seconds, timeline.trace_id)

    def _record(self, transcript: Transcript, work: float, timeline: Timeline, span: PodSpan | None) -> None:
        if span is not None:
            span.transcribed(transcript.language, transcript.duration)
        timeline.transcribed = self._clock()
        if transcript.duration is None or transcript.duration <= 0:
            return
        timeline.audio_seconds += transcript.duration
        self.metrics.audio.inc(transcript.duration)
        self.metrics.work.inc(work)
        self._backlog.observe(transcript.duration, work)


async def _keep(_segment: Segment) -> None:
    """Pass nothing on: the transcript includes every segment."""


def _segments_for(call: Call, duration: Duration) -> Segments:
    if call.streams:
        return "passed on"
    return "none" if duration.known and duration.seconds <= _SHORT_SECONDS else "reported"


class Work:
    """How long a pod works on a recording, without the waits for the sender and the receiver."""

    def __init__(self, clock: Callable[[], float], audio: Audio) -> None:
        self._clock = clock
        self._audio = audio
        self._paused = 0.0
        self.begin()

    def begin(self) -> None:
        """Start to count: before, the request waited in the pod's queue."""
        self._began = self._clock()
        self._waited = self._audio.waited

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Exclude the block."""
        began = self._clock()
        try:
            yield
        finally:
            self._paused += self._clock() - began

    def seconds(self) -> float:
        """Return the duration so far."""
        waits = self._audio.waited - self._waited + self._paused
        return max(0.0, self._clock() - self._began - waits)
