"""Removes models from volumes in the background. One that fails is planned again.

Nothing is removed from a volume while any pipeline pulls into it: Ollama deletes the layers that no model has, and a
pull that finds a layer relies on it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from speechoperator.errors import OllamaError
from speechoperator.plan.models import definitions
from speechoperator.plan.models.names import canonical
from speechoperator.telemetry import logs

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from speechoperator.kube.objects import Key
    from speechoperator.ollama.client import OllamaClient
    from speechoperator.ollama.turns import Turns
    from speechoperator.plan.actions import RemoveModel
    from speechoperator.telemetry.metrics import Metrics


class Removals:
    """The removals of all pipelines, one after the other for each pipeline. Not thread-safe.

    Args:
        ollama: The client.
        metrics: Where failures are counted.
        removed: Called when models have been removed: reads again what the pods have.
        turns: Those of the pulls.
        changed: Called with a pipeline whose turn it may be afterwards.
    """

    def __init__(
        self,
        ollama: OllamaClient,
        metrics: Metrics,
        removed: Callable[[Key], Awaitable[None]],
        turns: Turns,
        changed: Callable[[Key], None],
    ) -> None:
        self._ollama = ollama
        self._metrics = metrics
        self._removed = removed
        self._turns = turns
        self._changed = changed
        self._tasks: dict[Key, asyncio.Task[None]] = {}

    def start(self, key: Key, actions: Sequence[RemoveModel]) -> None:
        """Start removals, unless some of this pipeline are in progress."""
        if actions and key not in self._tasks:
            self._tasks[key] = asyncio.create_task(self._run(key, actions), name=f"removals for {key}")

    def forget(self, key: Key) -> None:
        """Stop the removals of a pipeline."""
        if task := self._tasks.pop(key, None):
            task.cancel()

    async def close(self) -> None:
        """Stop all removals, and wait until their connections are closed."""
        tasks = list(self._tasks.values())
        for key in list(self._tasks):
            self.forget(key)
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, key: Key, actions: Sequence[RemoveModel]) -> None:
        try:
            volumes = dict.fromkeys(action.volume for action in actions)
            begun = [
                await self._remove_from(key, volume, [action for action in actions if action.volume == volume])
                for volume in volumes
            ]
            if any(begun):
                await self._removed(key)
        finally:
            if self._tasks.get(key) is asyncio.current_task():
                del self._tasks[key]

    async def _remove_from(self, key: Key, volume: str, actions: Sequence[RemoveModel]) -> bool:
        """Remove models from a volume; return False if it is not their turn: they are planned again when it may be."""
        if not self._turns.begin_removal(key, volume):
            return False
        try:
            for action in actions:
                await self._remove(action)
        finally:
            for other in self._turns.end_removal(key, volume):
                self._changed(other)
        return True

    async def _remove(self, action: RemoveModel) -> None:
        try:
            if action.leftover and not await self._is_leftover(action):
                return
            await self._ollama.delete(action.address, action.model)
        except OllamaError as error:
            self._metrics.errors.labels(error.code).inc()
            logs.warning("model not removed", code=error.code, model=action.model, volume=action.volume, error=error)
        else:
            logs.info("model removed", model=action.model, volume=action.volume, reason=action.reason)

    async def _is_leftover(self, action: RemoveModel) -> bool:
        """Return whether a name still serves nothing: the plan may be older than a pull that has just ended."""
        found = await self._ollama.models(action.address)
        return action.model in definitions.leftovers({canonical(name): digest for name, digest in found.items()})
