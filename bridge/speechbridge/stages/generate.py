"""The second stage: the language model answers."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from speechbridge.generators.forwarding import Head, forward
from speechbridge.generators.port import Completion, GenerationRequest
from speechbridge.generators.prompt import messages_for
from speechbridge.generators.thinking import ReasoningFilter
from speechbridge.stages.attempt import Stage, outcome_of
from speechbridge.stages.prefill import key_of
from speechbridge.upstreams.failures import UpstreamError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from speechbridge.deadline import Deadline
    from speechbridge.generators.options import GenerationOptions
    from speechbridge.generators.port import Generator, OnText
    from speechbridge.stages.call import Call
    from speechbridge.stages.demand import Demand
    from speechbridge.stages.hold import Hold
    from speechbridge.stages.prefill import Prefill
    from speechbridge.telemetry.gen_ai import GenAiRequest
    from speechbridge.telemetry.metrics import Metrics
    from speechbridge.telemetry.pod_span import PodSpan
    from speechbridge.telemetry.timeline import Timeline
    from speechbridge.upstreams.pool import Pool


class Generation(Stage):
    """Generates answers with the pods of the language model.

    Args:
        generator: The protocol of the pods.
        pool: The pods.
        demand: Counts the requests.
        hold: Holds requests while no pod can be reached.
        prefill: Knows which pod has a prompt in its prefix cache.
        metrics: Where waits, durations and failures are recorded.
        retry_after: Returns the seconds to report in Retry-After when every pod is busy.
        clock: Seconds of a monotonic clock.
    """

    name = "generate"
    upstream = "llm"
    operation = "chat"

    def __init__(
        self,
        generator: Generator,
        pool: Pool,
        demand: Demand,
        hold: Hold,
        prefill: Prefill,
        metrics: Metrics,
        retry_after: Callable[[], int],
        clock: Callable[[], float],
    ) -> None:
        super().__init__(pool, demand, hold, metrics, retry_after, clock)
        self._generator = generator
        self._prefill = prefill

    async def run(
        self,
        model: str,
        instructions: str,
        options: GenerationOptions,
        transcription: str,
        call: Call,
        *,
        on_text: OnText,
        on_restart: Callable[[], object],
    ) -> Completion:
        """Generate an answer; return how it ended.

        Args:
            model: The language model.
            instructions: What it is told besides the transcript.
            options: How it is to answer.
            transcription: The transcript.
            call: The request.
            on_text: Receives the text as it is generated, without reasoning.
            on_restart: Discards the text received so far: a pod has failed during the answer to a call that does not
                stream, and another starts over.

        Raises:
            Problem: The language model failed, or rejected the request.
        """
        retry = self._retry(call)
        request = GenerationRequest(model, messages_for(instructions, transcription), options)
        prompt = key_of(model, instructions, options)
        label = self.metrics.model_label(model)
        answered = False

        async def pass_on(text: str) -> None:
            nonlocal answered
            if text:
                self._record_first(label, call.timeline)
                answered = True
                await on_text(text)

        while True:
            reasoning = ReasoningFilter()
            asked = self.metrics.gen_ai.request(label, _error_type_of(call.deadline), call.timeline.trace_id)

            async def on_piece(piece: str, reasoning: ReasoningFilter = reasoning, asked: GenAiRequest = asked) -> None:
                call.deadline.progress()
                asked.progress()
                await pass_on(reasoning.feed(piece))

            try:
                if not self._pool.reachable:
                    await self._until_reachable(call, model)
                prefilled = self._prefill.endpoint(prompt)
                attempt = self._attempt(retry, call, model, prefilled)
                async with attempt as acquisition:
                    endpoint = acquisition.endpoint
                    with asked:
                        completion = await self._generator.generate(endpoint, request, attempt.headers, on_piece)
                        asked.complete(completion.completion_tokens)
                    call.deadline.progress()
                    await pass_on(reasoning.end())
                    self._record(completion, label, call.timeline, attempt.span)
                self._prefill.record(prompt, endpoint)
            except UpstreamError as error:
                if (answered and call.streams) or not retry.allowed(error):
                    raise self._problem(retry.cause(error)) from None
                if answered:
                    on_restart()
            else:
                return completion

    async def forward(self, model: str, request: dict[str, Any], call: Call) -> AsyncGenerator[Head | bytes]:
        """Forward a chat completion unchanged; yield the head of the response, then its body as it arrives.

        The body of a stream is yielded in whole events. When a pod fails during the response to a call that does not
        stream, another starts over with a new head.

        Raises:
            Problem: The language model failed, or rejected the request.
        """
        retry = self._retry(call)
        label = self.metrics.model_label(model)
        sent = False
        while True:
            asked = self.metrics.gen_ai.request(label, _error_type_of(call.deadline), call.timeline.trace_id)
            try:
                if not self._pool.reachable:
                    await self._until_reachable(call, model)
                attempt = self._attempt(retry, call, model)
                async with (
                    attempt as acquisition,
                    aclosing(forward(acquisition.endpoint, request, attempt.headers)) as items,
                ):
                    with asked:
                        async for item in items:
                            call.deadline.progress()
                            if isinstance(item, Completion):
                                asked.complete(item.completion_tokens)
                                self._record(item, label, call.timeline, attempt.span)
                                continue
                            if call.streams and isinstance(item, bytes):
                                asked.progress()
                                self._record_first(label, call.timeline)
                                sent = True
                            yield item
                return
            except UpstreamError as error:
                if sent or not retry.allowed(error):
                    raise self._problem(retry.cause(error)) from None

    def _record(self, completion: Completion, label: str, timeline: Timeline, span: PodSpan | None) -> None:
        if span is not None:
            span.generated(completion.finish_reason, completion.prompt_tokens, completion.completion_tokens)
        timeline.generated = self._clock()
        tokens = self.metrics.tokens
        tokens.labels("prompt", label).inc(completion.prompt_tokens or 0)
        tokens.labels("completion", label).inc(completion.completion_tokens or 0)

    def _record_first(self, label: str, timeline: Timeline) -> None:
        if timeline.first_token is None:
            timeline.first_token = self._clock()
            seconds = timeline.first_token - timeline.started
            self.metrics.first_token_seconds.labels(label).observe(seconds, timeline.trace_id)


def _error_type_of(deadline: Deadline) -> Callable[[BaseException], str]:
    """Return what tells what a request to a pod failed with, for the metrics."""

    def error_type(error: BaseException) -> str:
        return error.kind if isinstance(error, UpstreamError) else outcome_of(error, expired=bool(deadline.expired))

    return error_type
