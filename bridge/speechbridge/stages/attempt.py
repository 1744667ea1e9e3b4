"""The two stages of a request, transcribe and generate: each finds a pod, tries again where it may, is measured."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from speechbridge.audio.port import RestartRequired, estimated_duration
from speechbridge.generators.forwarding import Head, forward
from speechbridge.generators.port import Completion
from speechbridge.generators.prompt import messages_for
from speechbridge.stages.retry import Attempts, Stage, problem_of
from speechbridge.transcribers.transcript import Transcript
from speechbridge.upstreams.failures import UpstreamError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from speechbridge.admission.retry_after import Backlog
    from speechbridge.audio.port import Audio
    from speechbridge.generators.port import Generator
    from speechbridge.stages.warm_up import Warmer
    from speechbridge.telemetry.metrics import Metrics
    from speechbridge.telemetry.timeline import Timeline
    from speechbridge.transcribers.port import Transcriber, TranscriptionOptions
    from speechbridge.transcribers.transcript import Segment
    from speechbridge.upstreams.endpoint import Endpoint
    from speechbridge.upstreams.pool import Lease, Pool


_UPSTREAMS: dict[Stage, str] = {"transcribe": "whisper", "generate": "llm"}


@dataclass
class Call:
    """One request on its way through the stages.

    Attributes:
        headers: Header lines for the upstreams.
        streams: Whether the client sees each piece as it comes; then nothing is tried again after the first. Who reads
            the form may set it for as long as the upload is arriving: nothing has come of it then.
        expected_size: Bytes of audio to expect, as far as the request tells.
    """

    timeline: Timeline
    headers: str
    streams: bool
    expected_size: int | None = None


@dataclass(frozen=True)
class Patience:
    """Seconds to go on trying while pods cannot be reached (`hold`) or are busy (`queue`)."""

    hold: float
    queue: float


class Restart:
    """What the model has said so far does not count."""


class _Pod:
    """A pod lent for one try of a stage: the wait for it and the work on it are measured, its failure is counted."""

    __slots__ = ("_attempts", "_entered", "_label", "_lease", "_metrics", "_name", "_stage", "_timeline")

    def __init__(
        self, lease: Lease, name: Stage, metrics: Metrics, label: str, attempts: Attempts, timeline: Timeline
    ) -> None:
        self._lease = lease
        self._name = name
        self._metrics = metrics
        self._label = label
        self._attempts = attempts
        self._timeline = timeline

    async def __aenter__(self) -> Endpoint:
        queue = self._metrics.stage("queue", self._label)
        asked, error = queue.enter(), None
        begun = self._timeline.clock()
        try:
            endpoint = await self._lease.__aenter__()
        except BaseException as failure:
            error = failure
            self._count(failure)
            raise
        finally:
            queue.leave(asked, error)
            self._timeline.queued += self._timeline.clock() - begun
        self._attempts.lent(endpoint)
        self._stage = self._metrics.stage(self._name, self._label)
        self._entered = self._stage.enter()
        return endpoint

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, *_: object) -> None:
        self._stage.leave(self._entered, error)
        self._count(error)
        await self._lease.__aexit__(kind, error)

    def _count(self, error: BaseException | None) -> None:
        if isinstance(error, UpstreamError):
            self._metrics.upstream_failures.labels(_UPSTREAMS[self._name], error.kind).inc()


class Pipeline:
    """Transcribes and generates, with pods from two pools."""

    def __init__(
        self,
        transcriber: Transcriber,
        whisper: Pool,
        generator: Generator,
        llm: Pool,
        warmer: Warmer,
        backlog: Backlog,
        metrics: Metrics,
        patience: Patience,
        clock: Callable[[], float],
    ) -> None:
        self.transcriber = transcriber
        self.whisper = whisper
        self.generator = generator
        self.llm = llm
        self.warmer = warmer
        self._backlog = backlog
        self._metrics = metrics
        self._patience = patience
        self._clock = clock

    async def transcribe(
        self, audio: Audio, options: Callable[[], TranscriptionOptions], call: Call
    ) -> AsyncGenerator[Segment | Transcript]:
        """Yield segments as they are decoded (for a call that streams), then the transcript.

        Raises:
            Problem: What is wrong with the recording, or with Whisper.
        """
        attempts = self._attempts()
        sent = False
        transcript = None
        while transcript is None:
            await audio.buffer_until_ready()
            try:
                with self._backlog.entry(estimated_duration(audio, call.expected_size)) as at_work:
                    async with self._pod("transcribe", attempts, call) as endpoint:
                        at_work()
                        call.timeline.transcribing = self._clock()
                        items = self.transcriber.transcribe(endpoint, audio, options, call.headers)
                        async with aclosing(items):
                            async for item in items:
                                self._mark(item, call.timeline)
                                if isinstance(item, Transcript):
                                    transcript = item
                                elif call.streams:
                                    sent = True
                                    yield item
            except RestartRequired:
                continue
            except UpstreamError as error:
                if sent or not audio.replayable or not attempts.again(error):
                    raise self._problem("transcribe", error) from None
        yield transcript  # the pod is free again, whatever the caller does with it

    async def transcript(self, audio: Audio, options: Callable[[], TranscriptionOptions], call: Call) -> Transcript:
        """Return the transcript alone; raises as `transcribe` does."""
        async with aclosing(self.transcribe(audio, options, replace(call, streams=False))) as items:
            async for item in items:
                if isinstance(item, Transcript):
                    return item
        raise AssertionError("the transcript comes last, or an error does")

    async def generate(
        self, model: str, prompt: str, transcription: str, call: Call
    ) -> AsyncGenerator[str | Restart | Completion]:
        """Yield the answer's text as it comes, then how it ended.

        For a call that does not stream, a pod that breaks off is no end: another starts over.

        Raises:
            Problem: What is wrong with the language model, or with what it was asked.
        """
        attempts = self._attempts()
        messages = messages_for(prompt, transcription)
        label = self._metrics.model_label(model)
        said = False
        while True:
            try:
                reader = self.warmer.reader(model, prompt)
                async with self._pod("generate", attempts, call, label, reader) as endpoint:
                    items = self.generator.generate(endpoint, model, messages, call.headers)
                    async with aclosing(items):
                        async for item in items:
                            if isinstance(item, Completion):
                                self._count(item, label)
                                call.timeline.generated = self._clock()
                            elif call.timeline.first_token is None:
                                call.timeline.first_token = self._clock()
                                first = self._metrics.child(self._metrics.first_token_seconds, label)
                                first.observe(call.timeline.first_token - call.timeline.started)
                            said = True
                            yield item
                self.warmer.note(model, prompt, endpoint)
                return
            except UpstreamError as error:
                if (said and call.streams) or not attempts.again(error):
                    raise self._problem("generate", error) from None
                if said:
                    yield Restart()

    async def forward(self, model: str, request: dict[str, Any], call: Call) -> AsyncGenerator[Head | bytes]:
        """Pass a chat completion on as it is; yield the head of the answer, then its body as it comes.

        For a call that does not stream, a pod that breaks off is no end: another starts over with a head.

        Raises:
            Problem: What is wrong with the language model, or with what it was asked.
        """
        attempts = self._attempts()
        label = self._metrics.model_label(model)
        sent = False
        while True:
            try:
                async with (
                    self._pod("generate", attempts, call, label) as endpoint,
                    aclosing(forward(endpoint, request, call.headers)) as items,
                ):
                    async for item in items:
                        sent = sent or (call.streams and not isinstance(item, Head))
                        yield item
                return
            except UpstreamError as error:
                if sent or not attempts.again(error):
                    raise self._problem("generate", error) from None

    def _pod(
        self,
        stage: Stage,
        attempts: Attempts,
        call: Call,
        label: str = "",
        prefer: Endpoint | None = None,
    ) -> _Pod:
        pool = self.whisper if stage == "transcribe" else self.llm
        lease = pool.lease(avoid=attempts.failed, prefer=prefer, retry=attempts.retrying)
        return _Pod(lease, stage, self._metrics, label, attempts, call.timeline)

    def _attempts(self) -> Attempts:
        return Attempts(self._patience.hold, self._patience.queue, self._clock)

    def _mark(self, item: Segment | Transcript, timeline: Timeline) -> None:
        now = self._clock()
        if timeline.first_segment is None:
            timeline.first_segment = now
            self._metrics.first_segment_seconds.observe(now - timeline.started)
        if not isinstance(item, Transcript):
            return
        timeline.transcribed = now
        if item.duration and timeline.transcribing is not None:
            work = now - timeline.transcribing
            self._metrics.audio.inc(item.duration)
            self._metrics.realtime_factor.observe(work / item.duration)
            self._backlog.observe(item.duration, work)

    def _count(self, completion: Completion, label: str) -> None:
        tokens = self._metrics.tokens
        self._metrics.child(tokens, "prompt", label).inc(completion.prompt_tokens or 0)
        self._metrics.child(tokens, "completion", label).inc(completion.completion_tokens or 0)

    def _problem(self, stage: Stage, error: UpstreamError) -> Exception:
        return problem_of(stage, error, self._backlog.seconds_left(0, self.whisper.slots))
