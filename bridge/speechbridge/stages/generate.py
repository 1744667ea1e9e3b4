"""The second stage: the language model answers."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from speechbridge.generators.forwarding import Head, forward
from speechbridge.generators.port import Completion, GenerationRequest
from speechbridge.generators.prompt import messages_for
from speechbridge.generators.thinking import ReasoningFilter
from speechbridge.stages.attempt import Stage
from speechbridge.stages.prefill import key_of
from speechbridge.upstreams.failures import UpstreamError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from speechbridge.generators.options import GenerationOptions
    from speechbridge.generators.port import Generator
    from speechbridge.stages.call import Call
    from speechbridge.stages.prefill import Prefill
    from speechbridge.telemetry.metrics import Metrics
    from speechbridge.telemetry.timeline import Timeline
    from speechbridge.upstreams.pool import Pool


class Restart:
    """Another pod starts over: the text yielded so far must be discarded."""


class Generation(Stage):
    """Generates answers with the pods of the language model.

    Args:
        generator: The protocol of the pods.
        pool: The pods.
        prefill: Knows which pod has a prompt in its prefix cache.
        metrics: Where waits, durations and failures are recorded.
        retry_after: Returns the seconds to report in Retry-After when every pod is busy.
        clock: Seconds of a monotonic clock.
    """

    name = "generate"
    upstream = "llm"

    def __init__(
        self,
        generator: Generator,
        pool: Pool,
        prefill: Prefill,
        metrics: Metrics,
        retry_after: Callable[[], int],
        clock: Callable[[], float],
    ) -> None:
        super().__init__(pool, metrics, retry_after, clock)
        self._generator = generator
        self._prefill = prefill

    async def run(
        self, model: str, instructions: str, options: GenerationOptions, transcription: str, call: Call
    ) -> AsyncGenerator[str | Restart | Completion]:
        """Yield the answer's text as it is generated, without reasoning, then how it ended.

        When a pod fails during the answer to a call that does not stream, a Restart is yielded and another pod starts
        over.

        Raises:
            Problem: The language model failed, or rejected the request.
        """
        retry = self._retry(call)
        request = GenerationRequest(model, messages_for(instructions, transcription), options)
        prompt = key_of(model, instructions, options)
        label = self.metrics.model_label(model)
        yielded = False
        while True:
            try:
                prefilled = self._prefill.endpoint(prompt)
                async with self._attempt(retry, call, model, prefilled) as acquisition:
                    endpoint = acquisition.endpoint
                    items = self._generator.generate(endpoint, request, call.headers)
                    async with aclosing(_without_reasoning(items, call.deadline.progress)) as answer:
                        async for item in answer:
                            self._record(item, label, call.timeline)
                            yielded = True
                            yield item
                self._prefill.record(prompt, endpoint)
                return
            except UpstreamError as error:
                if (yielded and call.streams) or not retry.allowed(error):
                    raise self._problem(retry.cause(error)) from None
                if yielded:
                    yield Restart()

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
            try:
                async with (
                    self._attempt(retry, call, model) as acquisition,
                    aclosing(forward(acquisition.endpoint, request, call.headers)) as items,
                ):
                    async for item in items:
                        call.deadline.progress()
                        if isinstance(item, Completion):
                            self._record(item, label, call.timeline)
                            continue
                        if call.streams and isinstance(item, bytes):
                            self._record(item, label, call.timeline)
                            sent = True
                        yield item
                return
            except UpstreamError as error:
                if sent or not retry.allowed(error):
                    raise self._problem(retry.cause(error)) from None

    def _record(self, item: str | bytes | Completion, label: str, timeline: Timeline) -> None:
        if isinstance(item, Completion):
            timeline.generated = self._clock()
            tokens = self.metrics.tokens
            tokens.labels("prompt", label).inc(item.prompt_tokens or 0)
            tokens.labels("completion", label).inc(item.completion_tokens or 0)
        elif timeline.first_token is None:
            timeline.first_token = self._clock()
            self.metrics.first_token_seconds.labels(label).observe(timeline.first_token - timeline.started)


async def _without_reasoning(
    items: AsyncGenerator[str | Completion], progress: Callable[[], None]
) -> AsyncGenerator[str | Completion]:
    """Yield the items, except reasoning: neither a block at the start of the text, nor empty pieces.

    Args:
        items: What the generator yields.
        progress: Is called for each, reasoning included.
    """
    reasoning = ReasoningFilter()
    async with aclosing(items):
        async for item in items:
            progress()
            if isinstance(item, str):
                if text := reasoning.feed(item):
                    yield text
            else:
                if text := reasoning.end():
                    yield text
                yield item
