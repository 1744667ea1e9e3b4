"""Pulls of models that run in the background, and how far they are.

State lives in memory alone: after a restart the plan asks for what is missing, and Ollama goes on where it was.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING

from speechoperator.errors import OllamaError
from speechoperator.plan.models.names import canonical
from speechoperator.plan.models.pull_errors import retry_at
from speechoperator.plan.snapshot import Pull
from speechoperator.telemetry import logs

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from speechoperator.kube.objects import Key
    from speechoperator.ollama.client import Ollama, Progress
    from speechoperator.plan.actions import StartPull, StopPull
    from speechoperator.telemetry.metrics import Metrics

_TELL_EVERY = 1.0
_NEW_WEIGHT = 0.3  # of the last second in the smoothed rate

_Name = tuple[str, str]


@dataclass(slots=True)
class _Meter:
    """Adds the layers of a pull up, and measures its rate. Bytes that were there before it began do not count."""

    layers: dict[str, tuple[int, int]] = field(default_factory=dict)
    pulled: int = 0
    rate: float = 0.0
    _told: float = 0.0
    _told_pulled: int = 0

    def take(self, progress: Progress) -> int:
        """Take in a line; return how many bytes came in since the one before of the same layer."""
        if not progress.digest:
            return 0
        before, _ = self.layers.get(progress.digest, (progress.completed, 0))
        self.layers[progress.digest] = (max(before, progress.completed), progress.total)
        came = max(0, progress.completed - before)
        self.pulled += came
        return came

    def wait(self) -> float:
        """Return in how many seconds there is something to tell: at once at first, then once a second."""
        return self._told + _TELL_EVERY - monotonic()

    def tell(self) -> None:
        """Measure the rate since it was told the last time."""
        now = monotonic()
        if self._told > 0:
            newest = (self.pulled - self._told_pulled) / (now - self._told)
            self.rate = newest if not self.rate else (1 - _NEW_WEIGHT) * self.rate + _NEW_WEIGHT * newest
        self._told, self._told_pulled = now, self.pulled

    def onto(self, pull: Pull) -> Pull:
        """Return the record with what was measured; once bytes came in, failures before are forgotten."""
        done = sum(completed for completed, _ in self.layers.values())
        total = sum(total for _, total in self.layers.values())
        pull = replace(pull, completed=done, total=total, rate=self.rate)
        return replace(pull, attempts=0, error="") if self.pulled else pull


class Pulls:
    """Use within one event loop.

    Args:
        ollama: The client.
        metrics: Where bytes and outcomes are counted.
        changed: Told which pipeline has news: at most once a second for each pull, and when one ends.
        pulled: Called when a model is there, before its pull is forgotten: looks at what the pods have.
    """

    def __init__(
        self,
        ollama: Ollama,
        metrics: Metrics,
        changed: Callable[[Key], None],
        pulled: Callable[[Key], Awaitable[None]],
    ) -> None:
        self._ollama = ollama
        self._metrics = metrics
        self._changed = changed
        self._pulled = pulled
        self._records: defaultdict[Key, dict[_Name, Pull]] = defaultdict(dict)
        self._tasks: dict[tuple[Key, _Name], asyncio.Task[None]] = {}
        metrics.follow(metrics.pulls, lambda: len(self._tasks))

    def of(self, key: Key) -> Mapping[_Name, Pull]:
        """Return a pipeline's pulls, by volume and model: those that run, and those that failed."""
        return dict(self._records.get(key, {}))

    def start(self, key: Key, action: StartPull) -> None:
        """Start a pull, unless it runs already."""
        name = (action.volume, action.model)
        if (key, name) in self._tasks:
            return
        before = self._records[key].get(name)
        record = Pull(action.model, action.volume, "Pulling", pod=action.pod)
        if before:
            record = replace(record, attempts=before.attempts, error=before.error)
        self._records[key][name] = record
        task = asyncio.create_task(self._run(key, action), name=f"pull of {action.model} for {key}")
        self._tasks[key, name] = task
        logs.info("pull started", model=action.source, pod=action.pod, volume=action.volume)

    def stop(self, key: Key, action: StopPull) -> None:
        """End a pull, or forget one that failed."""
        logs.info("pull stopped", model=action.model, volume=action.volume, reason=action.reason)
        self._end(key, (action.volume, action.model))

    def forget(self, key: Key) -> None:
        """End and forget all pulls of a pipeline."""
        for name in list(self._records.get(key, {})):
            self._end(key, name)

    async def close(self) -> None:
        """End all pulls and wait until they have let go of their connections."""
        tasks = list(self._tasks.values())
        for key in list(self._records):
            self.forget(key)
        await asyncio.gather(*tasks, return_exceptions=True)

    def _end(self, key: Key, name: _Name) -> None:
        if task := self._tasks.pop((key, name), None):
            task.cancel()
        self._records[key].pop(name, None)
        if not self._records[key]:
            del self._records[key]

    async def _run(self, key: Key, action: StartPull) -> None:
        name = (action.volume, action.model)
        try:
            await self._pull(key, action)
            await self._pulled(key)
        except OllamaError as error:
            self._failed(key, name, str(error))
        except Exception as error:  # noqa: BLE001 - a fault of ours must not leave a pull that runs for ever
            logs.logger.exception("pull broke")
            self._failed(key, name, f"the operator failed: {error}")
        else:
            self._metrics.pulls_ended.labels("ok").inc()
            logs.info("pull done", model=action.source, pod=action.pod, volume=action.volume)
            self._tasks.pop((key, name), None)
            self._end(key, name)
        self._changed(key)

    async def _pull(self, key: Key, action: StartPull) -> None:
        name, meter = (action.volume, action.model), _Meter()
        renames = canonical(action.source) != canonical(action.model)
        there = await self._ollama.models(action.address) if renames else {}
        lines = self._ollama.pull(action.address, action.source, insecure=action.insecure)
        timer: asyncio.TimerHandle | None = None

        def tell() -> None:
            nonlocal timer
            timer = None
            meter.tell()
            self._measured(key, name, meter)
            self._changed(key)

        try:
            async with aclosing(lines):
                async for progress in lines:
                    self._metrics.pull_bytes.inc(meter.take(progress))
                    timer = timer or asyncio.get_running_loop().call_later(meter.wait(), tell)
        finally:
            if timer:
                timer.cancel()
            self._measured(key, name, meter)
        if renames:
            await self._ollama.copy(action.address, action.source, action.model)
            if canonical(action.source) not in map(canonical, there):  # else it is wanted for itself
                await self._ollama.remove(action.address, action.source)

    def _measured(self, key: Key, name: _Name, meter: _Meter) -> None:
        if record := self._records.get(key, {}).get(name):  # none when it was ended from outside
            self._records[key][name] = meter.onto(record)

    def _failed(self, key: Key, name: _Name, error: str) -> None:
        self._metrics.pulls_ended.labels("failed").inc()
        self._tasks.pop((key, name), None)
        record = self._records[key][name]
        attempts = record.attempts + 1
        at = retry_at(attempts, datetime.now(UTC))
        self._records[key][name] = replace(
            record, stage="Failed", error=error, attempts=attempts, retry_at=at, rate=0.0
        )
        logs.warning("pull failed", model=name[1], volume=name[0], error=error, attempts=attempts, retry_at=at)
