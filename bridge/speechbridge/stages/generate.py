"""The second stage: the language model answers."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from speechbridge.generators.forwarding import Head, forward
from speechbridge.generators.port import Completion
from speechbridge.generators.prompt import messages_for
from speechbridge.stages.attempt import Stage
from speechbridge.upstreams.failures import UpstreamError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

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
        self, model: str, prompt: str, transcription: str, call: Call
    ) -> AsyncGenerator[str | Restart | Completion]:
        """Yield the answer's text as it is generated, then how it ended.

        When a pod fails during the answer to a call that does not stream, a Restart is yielded and another pod starts
        over.

        Raises:
            Problem: The language model failed, or rejected the request.
        """
        retry = self._retry(call)
        messages = messages_for(prompt, transcription)
        label = self.metrics.model_label(model)
        yielded = False
        while True:
            try:
                prefilled = self._prefill.endpoint(model, prompt)
                async with self._attempt(retry, call, label, prefilled) as endpoint:
                    items = self._generator.generate(endpoint, model, messages, call.headers)
                    async with aclosing(items):
                        async for item in items:
                            self._record(item, label, call.timeline)
                            call.deadline.progress()
                            yielded = True
                            yield item
                self._prefill.record(model, prompt, endpoint)
                return
            except UpstreamError as error:
                if (yielded and call.streams) or not retry.allowed(error):
                    raise self._problem(error) from None
                if yielded:
                    yield Restart()

    async def forward(self, model: str, request: dict[str, Any], call: Call) -> AsyncGenerator[Head | bytes]:
        """Forward a chat completion unchanged; yield the head of the response, then its body as it arrives.

        When a pod fails during the response to a call that does not stream, another starts over with a new head.

        Raises:
            Problem: The language model failed, or rejected the request.
        """
        retry = self._retry(call)
        label = self.metrics.model_label(model)
        sent = False
        while True:
            try:
                async with (
                    self._attempt(retry, call, label) as endpoint,
                    aclosing(forward(endpoint, request, call.headers)) as items,
                ):
                    async for item in items:
                        call.deadline.progress()
                        sent = sent or (call.streams and not isinstance(item, Head))
                        yield item
                return
            except UpstreamError as error:
                if sent or not retry.allowed(error):
                    raise self._problem(error) from None

    def _record(self, item: str | Completion, label: str, timeline: Timeline) -> None:
        if isinstance(item, Completion):
            timeline.generated = self._clock()
            tokens = self.metrics.tokens
            self.metrics.child(tokens, "prompt", label).inc(item.prompt_tokens or 0)
            self.metrics.child(tokens, "completion", label).inc(item.completion_tokens or 0)
        elif timeline.first_token is None:
            timeline.first_token = self._clock()
            first = self.metrics.child(self.metrics.first_token_seconds, label)
            first.observe(timeline.first_token - timeline.started)
