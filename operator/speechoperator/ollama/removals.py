"""Removes models from volumes in the background. One that fails is planned again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from speechoperator.errors import OllamaError
from speechoperator.telemetry import logs

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from speechoperator.kube.objects import Key
    from speechoperator.ollama.client import OllamaClient
    from speechoperator.plan.actions import RemoveModel
    from speechoperator.telemetry.metrics import Metrics


class Removals:
    """The removals of all pipelines, one after the other for each pipeline. Not thread-safe.

    Args:
        ollama: The client.
        metrics: Where failures are counted.
        removed: Called when models have been removed: reads again what the pods have.
    """

    def __init__(self, ollama: OllamaClient, metrics: Metrics, removed: Callable[[Key], Awaitable[None]]) -> None:
        self._ollama = ollama
        self._metrics = metrics
        self._removed = removed
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
            for action in actions:
                await self._remove(action)
            await self._removed(key)
        finally:
            if self._tasks.get(key) is asyncio.current_task():
                del self._tasks[key]

    async def _remove(self, action: RemoveModel) -> None:
        try:
            await self._ollama.delete(action.address, action.model)
        except OllamaError as error:
            self._metrics.errors.labels(error.code).inc()
            logs.warning("model not removed", code=error.code, model=action.model, volume=action.volume, error=error)
        else:
            logs.info("model removed", model=action.model, volume=action.volume, reason=action.reason)
