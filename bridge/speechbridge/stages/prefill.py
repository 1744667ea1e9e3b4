"""Prefill: the language model evaluates the prompt while Whisper transcribes, so that its answer starts at once."""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from dataclasses import replace
from typing import TYPE_CHECKING

from speechbridge.generators.port import GenerationRequest
from speechbridge.generators.prompt import prefix_for
from speechbridge.upstreams.acquisition import PodRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from speechbridge.generators.options import GenerationOptions
    from speechbridge.generators.port import Generator
    from speechbridge.stages.call import Call
    from speechbridge.upstreams.endpoint import Endpoint
    from speechbridge.upstreams.pool import Pool

_CACHED_FOR_S = 60.0  # how long a pod is assumed to keep a prefix in its cache
_MAX_CACHED = 1024  # more prefixes than the pods' caches hold


class PrefillTask:
    """The prefill of one request, running or finished."""

    def __init__(self, task: asyncio.Task[None]) -> None:
        self._task = task

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
        self._cached: OrderedDict[bytes, tuple[Endpoint, float]] = OrderedDict()  # the oldest first

    def start(self, model: str, instructions: str, options: GenerationOptions, call: Call) -> PrefillTask | None:
        """Start the prefill of a prompt, unless a pod has it in its cache, the pods have requests, or there is none."""
        key = key_of(model, instructions, options)
        if not self._pool.reachable:
            return None  # held requests would all start the same prefill as soon as a pod has started
        if self.endpoint(key) in self._pool.endpoints:
            return None
        if any(endpoint.outstanding for endpoint in self._pool.endpoints):
            return None
        prefix = GenerationRequest(model, prefix_for(instructions), options)
        return PrefillTask(asyncio.create_task(self._run(prefix, key, call)))

    def record(self, key: bytes, endpoint: Endpoint) -> None:
        """Remember that a pod has evaluated a prompt; forgets those that its cache may have lost."""
        self._cached[key] = (endpoint, self._clock())
        self._cached.move_to_end(key)
        self._forget()

    def endpoint(self, key: bytes) -> Endpoint | None:
        """Return the pod that evaluated this prompt last, unless its cache may have lost it."""
        endpoint, cached_at = self._cached.get(key, (None, 0.0))
        return endpoint if cached_at > self._clock() - _CACHED_FOR_S else None

    def _forget(self) -> None:
        oldest = self._clock() - _CACHED_FOR_S
        while self._cached:
            _, cached_at = next(iter(self._cached.values()))
            if cached_at > oldest and len(self._cached) <= _MAX_CACHED:
                return
            self._cached.popitem(last=False)

    async def _run(self, prefix: GenerationRequest, key: bytes, call: Call) -> None:
        wanted = PodRequest(replace(call.budget), model=prefix.model)  # it waits beside the request, not for it
        async with self._pool.acquire(wanted) as endpoint:
            if call.trace is None:
                await self._generator.prefill(endpoint, prefix, call.headers)
            else:
                with call.trace.prefill(prefix.model, endpoint) as context:
                    await self._generator.prefill(endpoint, prefix, call.headers + context)
        self.record(key, endpoint)


def key_of(model: str, instructions: str, options: GenerationOptions) -> bytes:
    """Return a digest of what a pod caches: prompts may be long, and are private."""
    text = repr((model, options.think, instructions))
    return hashlib.blake2b(text.encode(), digest_size=32).digest()  # faster than OpenSSL's SHA-2 for short texts
