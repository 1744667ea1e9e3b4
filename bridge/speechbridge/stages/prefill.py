"""Prefill: the language model evaluates the prompt while Whisper transcribes, so that its answer starts at once."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from speechbridge.errors import Problem
from speechbridge.generators.prompt import prefix_for
from speechbridge.upstreams.acquisition import PodRequest
from speechbridge.upstreams.failures import FailureKind, UpstreamError

if TYPE_CHECKING:
    from collections.abc import Callable

    from speechbridge.generators.port import Generator
    from speechbridge.stages.call import Call
    from speechbridge.upstreams.endpoint import Endpoint
    from speechbridge.upstreams.pool import Pool

_CACHED_FOR_S = 60.0  # how long a pod is assumed to keep a prefix in its cache
_LONG_PROMPT_CHARS = 2000  # from this length on it is worth waiting to learn whether the prompt alone is too long


class PrefillTask:
    """The prefill of one request, running or finished."""

    def __init__(self, task: asyncio.Task[None]) -> None:
        self._task = task

    async def check(self, prompt: str) -> None:
        """Raise if the prompt alone exceeds the context length; for a long prompt, wait until that is known.

        Raises:
            Problem: `prompt_too_long`.
        """
        if len(prompt) > _LONG_PROMPT_CHARS:
            await asyncio.wait([self._task])
        if not self._task.done() or self._task.cancelled():
            return
        error = self._task.exception()
        if isinstance(error, UpstreamError) and error.kind is FailureKind.OVERFLOW:
            raise Problem("prompt_too_long", f"The prompt alone does not fit: {error.detail}.", param="prompt")

    def cancel(self) -> None:
        """Stop the prefill; its failure is ignored, since the request itself would fail in the same way."""
        self._task.cancel()
        if self._task.done() and not self._task.cancelled():
            self._task.exception()


class Prefill:
    """Starts prefills, and remembers which pod has which prompt in its prefix cache."""

    def __init__(self, generator: Generator, pool: Pool, clock: Callable[[], float]) -> None:
        self._generator = generator
        self._pool = pool
        self._clock = clock
        self._cached: dict[tuple[str, str], tuple[Endpoint, float]] = {}

    def start(self, model: str, prompt: str, call: Call) -> PrefillTask | None:
        """Start the prefill of a prompt; None if a pod has it in its cache, or the model has other requests."""
        endpoint, cached_at = self._cached.get((model, prompt), (None, 0.0))
        if endpoint in self._pool.endpoints and self._clock() - cached_at < _CACHED_FOR_S:
            return None
        if any(endpoint.outstanding for endpoint in self._pool.endpoints):
            return None
        return PrefillTask(asyncio.create_task(self._run(model, prompt, call)))

    def record(self, model: str, prompt: str, endpoint: Endpoint) -> None:
        """Remember that a pod has evaluated a prompt; forgets those that its cache may have lost."""
        now = self._clock()
        self._cached = {key: entry for key, entry in self._cached.items() if now - entry[1] < _CACHED_FOR_S}
        self._cached[model, prompt] = (endpoint, now)

    def endpoint(self, model: str, prompt: str) -> Endpoint | None:
        """Return the pod that evaluated this prompt last."""
        return self._cached.get((model, prompt), (None, 0.0))[0]

    async def _run(self, model: str, prompt: str, call: Call) -> None:
        request = PodRequest(replace(call.budget), model=model)  # it waits beside the request, not for it
        async with self._pool.acquire(request) as endpoint:
            await self._generator.prefill(endpoint, model, prefix_for(prompt), call.headers)
        self.record(model, prompt, endpoint)
