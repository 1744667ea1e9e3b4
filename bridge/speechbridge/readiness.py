"""Readiness of the components that a request depends on: Whisper and the language model."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from speechbridge.errors import Loading
from speechbridge.generators.catalog import missing_models
from speechbridge.upstreams.failures import FailureKind, UpstreamError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from speechbridge.errors import LoadingStage
    from speechbridge.generators.port import Generator
    from speechbridge.model_list import Models
    from speechbridge.transcribers.port import Transcriber
    from speechbridge.upstreams.endpoint import Endpoint
    from speechbridge.upstreams.pool import Pool

_COMPONENTS = {"transcriber_unavailable": "whisper", "generator_unavailable": "llm", "model_missing": "llm"}
_CACHE_TTL_S = 1.0
_PROBE_TIMEOUT_S = 2.0  # per pod


@dataclass(frozen=True)
class Component:
    """A component's state, with one human-readable sentence and, if it is known, how far its start is."""

    ready: bool
    detail: str
    stage: LoadingStage | None = None


@dataclass(frozen=True)
class Report:
    """The state of all components."""

    components: dict[str, Component]

    @property
    def ready(self) -> bool:
        """Whether requests can be answered."""
        return all(component.ready for component in self.components.values())

    def document(self) -> dict[str, Any]:
        """Return the JSON body of `/readyz`."""
        components = {
            name: {"ready": component.ready, "detail": component.detail} for name, component in self.components.items()
        }
        return {"status": "ready" if self.ready else "not ready", "components": components}


class Readiness:
    """Probes the components, at most once per second."""

    def __init__(
        self,
        transcriber: Transcriber,
        whisper: Pool,
        generator: Generator,
        llm: Pool,
        models: Models,
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
        self._probing = asyncio.Lock()

    async def report(self) -> Report:
        """Return the state, at most one second old."""
        async with self._probing:
            if self._clock() - self._reported_at >= _CACHE_TTL_S:
                whisper, llm = await asyncio.gather(
                    self._component(self._whisper, self._whisper_state), self._component(self._llm, self._llm_state)
                )
                self._report = Report({"whisper": whisper, "llm": llm})
                self._reported_at = self._clock()
            return self._report

    async def loading(self, code: str) -> Loading | None:
        """Return how far the component is whose unavailability a code of `PROBLEMS` reports, None if unknown."""
        name = _COMPONENTS.get(code)
        stage = (await self.report()).components[name].stage if name else None
        if stage is None:
            return None
        pool = self._whisper if name == "whisper" else self._llm
        elapsed, remaining = pool.pods.outage.elapsed(pool.time()), pool.reachability.remaining()
        return Loading(
            stage,
            since_seconds=None if elapsed is None else math.floor(elapsed),
            eta_seconds=None if remaining is None else math.ceil(remaining),
        )

    async def _component(self, pool: Pool, probe: Callable[[Endpoint], Awaitable[str]]) -> Component:
        """Probe every pod: a component is ready if at least one of its pods is."""
        if not pool.endpoints:
            return Component(ready=False, detail=f"{pool.origin.host} resolves to no pods", stage="no_pods")
        states = await asyncio.gather(*(_probed(probe, endpoint) for endpoint in pool.endpoints))
        ready = [state for state in states if state.ready]
        return ready[0] if ready else next((state for state in states if state.stage), states[0])

    async def _whisper_state(self, endpoint: Endpoint) -> str:
        await self._transcriber.probe(endpoint)
        return "Whisper is ready"

    async def _llm_state(self, endpoint: Endpoint) -> str:
        present = await self._generator.models(endpoint)
        names = self._models.current.names
        if missing := missing_models(names, present):
            raise UpstreamError(FailureKind.MODEL_MISSING, f"the model {missing[0]} is not available yet")
        if not present:
            raise UpstreamError(FailureKind.MODEL_MISSING, "the language model server has no model yet")
        return f"{names[0] if names else present[0]} is available"


async def _probed(probe: Callable[[Endpoint], Awaitable[str]], endpoint: Endpoint) -> Component:
    try:
        async with asyncio.timeout(_PROBE_TIMEOUT_S):
            return Component(ready=True, detail=await probe(endpoint))
    except UpstreamError as error:
        return Component(ready=False, detail=error.detail, stage=_stage_of(error))
    except TimeoutError:
        return Component(ready=False, detail=f"no response within {_PROBE_TIMEOUT_S:g} s")


def _stage_of(error: UpstreamError) -> LoadingStage | None:
    if error.kind is FailureKind.MODEL_MISSING:
        return "waiting_for_model"
    return "starting" if isinstance(error.__cause__, ConnectionRefusedError) else None
