"""Let the language model read the prompt while Whisper works, so that its answer starts at once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from speechbridge.errors import Problem
from speechbridge.generators.prompt import prefix_for
from speechbridge.upstreams.failures import FailureKind, UpstreamError

if TYPE_CHECKING:
    from collections.abc import Callable

    from speechbridge.generators.port import Generator
    from speechbridge.upstreams.endpoint import Endpoint
    from speechbridge.upstreams.pool import Pool

_WARM_FOR = 60.0  # seconds that a prefix, once read, is taken to be in the model's cache still
_LONG_PROMPT = 2000  # characters from which on it is worth a wait to learn that the prompt alone is too long


class Warmth:
    """One reading of a prompt, under way or done."""

    def __init__(self, task: asyncio.Task[None]) -> None:
        self._task = task

    async def check(self, prompt: str) -> None:
        """Say so if the prompt alone is longer than the context; for a long prompt, wait until that is known.

        Raises:
            Problem: `prompt_too_long`.
        """
        if len(prompt) > _LONG_PROMPT:
            await asyncio.wait([self._task])
        if not self._task.done() or self._task.cancelled():
            return
        error = self._task.exception()
        if isinstance(error, UpstreamError) and error.kind is FailureKind.OVERFLOW:
            raise Problem("prompt_too_long", f"The prompt alone does not fit: {error.detail}.", param="prompt")

    def cancel(self) -> None:
        """Let go of it; a reading that failed fails nothing else, since the request itself will tell."""
        self._task.cancel()
        if self._task.done() and not self._task.cancelled():
            self._task.exception()


class Warmer:
    """Starts readings, and remembers which pod has read what."""

    def __init__(self, generator: Generator, pool: Pool, clock: Callable[[], float]) -> None:
        self._generator = generator
        self._pool = pool
        self._clock = clock
        self._read: dict[tuple[str, str], tuple[Endpoint, float]] = {}

    def start(self, model: str, prompt: str, headers: str) -> Warmth | None:
        """Begin to have `prompt` read; None when it was lately, or when the model is busy with other requests."""
        endpoint, when = self._read.get((model, prompt), (None, 0.0))
        if endpoint in self._pool.endpoints and self._clock() - when < _WARM_FOR:
            return None
        if any(endpoint.outstanding for endpoint in self._pool.endpoints):
            return None
        return Warmth(asyncio.create_task(self._warm(model, prompt, headers)))

    def note(self, model: str, prompt: str, endpoint: Endpoint) -> None:
        """Remember that a pod has read a prompt; forgets what was read too long ago."""
        now = self._clock()
        self._read = {key: entry for key, entry in self._read.items() if now - entry[1] < _WARM_FOR}
        self._read[model, prompt] = (endpoint, now)

    def reader(self, model: str, prompt: str) -> Endpoint | None:
        """Return the pod that lately read this prompt."""
        return self._read.get((model, prompt), (None, 0.0))[0]

    async def _warm(self, model: str, prompt: str, headers: str) -> None:
        async with self._pool.lease() as endpoint:
            await self._generator.warm(endpoint, model, prefix_for(prompt), headers)
        self.note(model, prompt, endpoint)
