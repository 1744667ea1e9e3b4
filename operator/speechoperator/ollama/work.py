"""All work on models in the background: pulls, warm-ups and removals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from speechoperator.ollama.pulls import Pulls
from speechoperator.ollama.removals import Removals
from speechoperator.ollama.turns import Turns
from speechoperator.ollama.warm_ups import WarmUps

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from speechoperator.kube.objects import Key
    from speechoperator.ollama.client import OllamaClient
    from speechoperator.plan.actions import Plan
    from speechoperator.telemetry.metrics import Metrics


@dataclass(frozen=True, slots=True)
class ModelWork:
    """The work on the models of all pipelines."""

    pulls: Pulls
    warm_ups: WarmUps
    removals: Removals

    @classmethod
    def create(
        cls,
        ollama: OllamaClient,
        metrics: Metrics,
        changed: Callable[[Key], None],
        refresh: Callable[[Key], Awaitable[None]],
        max_pulls: int,
    ) -> Self:
        """Return it without any work.

        Args:
            ollama: The client.
            metrics: Where outcomes are counted.
            changed: Called with the pipeline about which there is news.
            refresh: Reads again what the pods of a pipeline have.
            max_pulls: Pulls that run at the same time, over all pipelines.
        """
        turns = Turns(max_pulls)
        return cls(
            Pulls(ollama, metrics, changed, refresh, turns),
            WarmUps(ollama, metrics, changed),
            Removals(ollama, metrics, refresh, turns, changed),
        )

    def apply(self, key: Key, plan: Plan) -> bool:
        """Stop and start what a plan says; return whether that calls for another plan."""
        for stop in plan.stops:
            self.pulls.stop(key, stop)
        self.pulls.start(key, plan.pulls)
        self.warm_ups.start(key, plan.warm_ups)
        self.removals.start(key, plan.removals)
        return bool(plan.stops)  # their volumes are free

    def forget(self, key: Key) -> None:
        """Stop and forget all work for a pipeline."""
        self.pulls.forget(key)
        self.warm_ups.forget(key)
        self.removals.forget(key)

    async def close(self) -> None:
        """Stop all work, and wait until its connections are closed."""
        await self.pulls.close()
        await self.warm_ups.close()
        await self.removals.close()
