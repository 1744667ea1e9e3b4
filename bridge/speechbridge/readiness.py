"""Is all there that a request needs? Each part is asked, and the answer names the one that is not there."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from speechbridge.generators.catalog import missing_models
from speechbridge.upstreams.failures import FailureKind, UpstreamError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from speechbridge.generators.port import Generator
    from speechbridge.transcribers.port import Transcriber
    from speechbridge.upstreams.endpoint import Endpoint
    from speechbridge.upstreams.pool import Pool

_FRESH = 1.0  # seconds that a report is good for
_PATIENCE = 2.0  # seconds a pod may take to say that it is there


@dataclass(frozen=True)
class Part:
    """A part's state, with one sentence for a person."""

    ready: bool
    detail: str


@dataclass(frozen=True)
class Report:
    """The state of all parts."""

    parts: dict[str, Part]

    @property
    def ready(self) -> bool:
        """Whether a request can be answered."""
        return all(part.ready for part in self.parts.values())

    def document(self) -> dict[str, Any]:
        """Return the JSON body of `/readyz`."""
        parts = {name: {"ready": part.ready, "detail": part.detail} for name, part in self.parts.items()}
        return {"status": "ready" if self.ready else "not ready", "parts": parts}


class Readiness:
    """Asks the parts, at most once a second however often it is asked itself."""

    def __init__(
        self,
        transcriber: Transcriber,
        whisper: Pool,
        generator: Generator,
        llm: Pool,
        models: tuple[str, ...],
        clock: Callable[[], float],
    ) -> None:
        self._transcriber = transcriber
        self._whisper = whisper
        self._generator = generator
        self._llm = llm
        self._models = models
        self._clock = clock
        self._report = Report({})
        self._reported_at = float("-inf")
        self._asking = asyncio.Lock()

    async def report(self) -> Report:
        """Return the state, at most a second old."""
        async with self._asking:
            if self._clock() - self._reported_at >= _FRESH:
                whisper, llm = await asyncio.gather(
                    self._part(self._whisper, self._whisper_state), self._part(self._llm, self._llm_state)
                )
                self._report = Report({"whisper": whisper, "llm": llm})
                self._reported_at = self._clock()
            return self._report

    async def _part(self, pool: Pool, ask: Callable[[Endpoint], Awaitable[str]]) -> Part:
        """Ask every pod: one that is ready makes the part ready."""
        if not pool.endpoints:
            return Part(ready=False, detail=f"the name {pool.origin.host} leads to no pod")
        answers = await asyncio.gather(*(_ask(ask, endpoint) for endpoint in pool.endpoints))
        ready = [answer for answer in answers if answer.ready]
        return ready[0] if ready else answers[0]

    async def _whisper_state(self, endpoint: Endpoint) -> str:
        await self._transcriber.probe(endpoint)
        return "Whisper answers"

    async def _llm_state(self, endpoint: Endpoint) -> str:
        present = await self._generator.models(endpoint)
        if missing := missing_models(self._models, present):
            raise UpstreamError(FailureKind.MODEL_MISSING, f"the model {missing[0]} is not there yet")
        if not present:
            raise UpstreamError(FailureKind.MODEL_MISSING, "the language model's server has no model yet")
        return f"{self._models[0] if self._models else present[0]} is there"


async def _ask(ask: Callable[[Endpoint], Awaitable[str]], endpoint: Endpoint) -> Part:
    try:
        async with asyncio.timeout(_PATIENCE):
            return Part(ready=True, detail=await ask(endpoint))
    except UpstreamError as error:
        return Part(ready=False, detail=error.detail)
    except TimeoutError:
        return Part(ready=False, detail=f"no answer within {_PATIENCE:g} s")
