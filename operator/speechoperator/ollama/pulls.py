"""Model pulls in the background, with their progress.

State is in memory only: after a restart the plan starts what is missing, and Ollama resumes where it was.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING

from speechoperator.errors import OllamaError, OperatorError
from speechoperator.ollama.turns import PullId, Turns
from speechoperator.plan.models.names import canonical
from speechoperator.plan.models.pull_errors import retry_at
from speechoperator.plan.snapshot import Pull
from speechoperator.telemetry import logs

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from speechoperator.kube.objects import Key
    from speechoperator.ollama.client import OllamaClient, Progress
    from speechoperator.plan.actions import StartPull, StopPull
    from speechoperator.telemetry.metrics import Metrics

_MIN_REPORT_INTERVAL_S, _MAX_REPORT_INTERVAL_S, _REPORT_SHARE = 1.0, 5.0, 0.02
"""Progress is reported when 2 % have been pulled since the last report, or after 5 s, but no more than once a second:
every report is a write, which wakes whoever watches the pipeline."""
_TIMER_SLACK_S = 0.05
_SMOOTHING = 0.3
"""Weight of the latest interval in the exponentially smoothed rate."""


@dataclass(slots=True)
class Meter:
    """Sums up the layers of a pull, and measures its rate. Bytes from an earlier attempt do not count."""

    layers: dict[str, tuple[int, int]] = field(default_factory=dict)
    pulled: int = 0
    rate: float = 0.0
    _measured_at: float = 0.0
    _measured_pulled: int = 0

    def add(self, progress: Progress) -> int:
        """Take in a line; return the bytes pulled since the last line about the same layer."""
        if not progress.digest:
            return 0
        before, _ = self.layers.get(progress.digest, (progress.completed, 0))
        self.layers[progress.digest] = (max(before, progress.completed), progress.total)
        received = max(0, progress.completed - before)
        self.pulled += received
        return received

    def due(self) -> float:
        """Return the seconds until the next report: 0 or less for the first one."""
        total = sum(total for _, total in self.layers.values())
        progressed = self.pulled - self._measured_pulled >= _REPORT_SHARE * total > 0
        interval = _MIN_REPORT_INTERVAL_S if progressed or not self._measured_at else _MAX_REPORT_INTERVAL_S
        return self._measured_at + interval - monotonic()

    def measure(self) -> None:
        """Update the rate from what was pulled since the last report."""
        now = monotonic()
        if self._measured_at > 0:
            latest = (self.pulled - self._measured_pulled) / (now - self._measured_at)
            self.rate = latest if not self.rate else (1 - _SMOOTHING) * self.rate + _SMOOTHING * latest
        self._measured_at, self._measured_pulled = now, self.pulled

    def update(self, pull: Pull) -> Pull:
        """Return the record with the progress; once bytes have been received, earlier failures are forgotten."""
        completed = sum(completed for completed, _ in self.layers.values())
        total = sum(total for _, total in self.layers.values())
        pull = replace(pull, completed=completed, total=total, rate=self.rate)
        return replace(pull, attempts=0, error="") if self.pulled else pull


class Pulls:
    """The pulls of all pipelines. Not thread-safe.

    Args:
        ollama: The client.
        metrics: Where bytes and outcomes are counted.
        changed: Called with the pipeline whose progress has changed: at most once a second for each pull, and when one
            ends.
        pulled: Called when a model has been pulled, before its record is removed: reads again what the pods have.
        limit: Pulls that run at the same time, over all pipelines.
    """

    def __init__(
        self,
        ollama: OllamaClient,
        metrics: Metrics,
        changed: Callable[[Key], None],
        pulled: Callable[[Key], Awaitable[None]],
        limit: int,
    ) -> None:
        self._ollama = ollama
        self._metrics = metrics
        self._changed = changed
        self._pulled = pulled
        self._turns = Turns(limit)
        self._records: defaultdict[Key, dict[PullId, Pull]] = defaultdict(dict)
        self._tasks: dict[tuple[Key, PullId], asyncio.Task[None]] = {}
        metrics.follow(metrics.pulls, lambda: len(self._tasks))

    def of(self, key: Key) -> Mapping[PullId, Pull]:
        """Return a pipeline's pulls, by volume and model: those in progress, and those that failed."""
        return dict(self._records.get(key, {}))

    def start(self, key: Key, actions: Sequence[StartPull]) -> None:
        """Start pulls, except those in progress.

        If it is not the turn of one, its pipeline is told when it may be.
        """
        wanted = {(action.volume, action.model) for action in actions}
        for pull in self._turns.waiting(key).keys() - wanted:
            self._turns.forget(key, pull)
        for action in actions:
            self._start(key, action)

    def _start(self, key: Key, action: StartPull) -> None:
        pull = (action.volume, action.model)
        if (key, pull) in self._tasks:
            return
        waits = self._turns.waiting(key)
        if not self._turns.begin(key, pull):
            if self._turns.waiting(key) != waits:
                self._changed(key)
            return
        before = self._records[key].get(pull)
        record = Pull(action.model, action.volume, "Pulling", pod=action.pod)
        if before:
            record = replace(record, attempts=before.attempts, error=before.error)
        self._records[key][pull] = record
        task = asyncio.create_task(self._run(key, action), name=f"pull of {action.model} for {key}")
        self._tasks[key, pull] = task
        logs.info("pull started", model=action.source, pod=action.pod, volume=action.volume)

    def waiting(self, key: Key) -> Mapping[PullId, str]:
        """Return what pulls of a pipeline wait for that are not their turn."""
        return self._turns.waiting(key)

    def stop(self, key: Key, action: StopPull) -> None:
        """Abort a pull, or forget one that failed."""
        logs.info("pull stopped", model=action.model, volume=action.volume, reason=action.reason)
        self._remove(key, (action.volume, action.model))

    def forget(self, key: Key) -> None:
        """Abort and forget all pulls of a pipeline."""
        self._turns.forget(key)
        for pull in list(self._records.get(key, {})):
            self._remove(key, pull)

    async def close(self) -> None:
        """Abort all pulls, and wait until their connections are closed."""
        tasks = list(self._tasks.values())
        self._turns.clear()
        for key in list(self._records):
            self.forget(key)
        await asyncio.gather(*tasks, return_exceptions=True)

    def _remove(self, key: Key, pull: PullId) -> None:
        if task := self._tasks.pop((key, pull), None):
            task.cancel()
            self._ended(key, pull)
        self._records[key].pop(pull, None)
        if not self._records[key]:
            del self._records[key]

    async def _run(self, key: Key, action: StartPull) -> None:
        pull = (action.volume, action.model)
        try:
            await self._pull(key, action)
            await self._pulled(key)
        except OllamaError as error:
            self._failed(key, pull, str(error), error.code)
        except Exception as error:  # noqa: BLE001 - a bug in the operator must not leave a pull "in progress"
            logs.exception("pull failed unexpectedly")
            self._failed(key, pull, f"the operator failed: {error}", OperatorError.code)
        else:
            self._metrics.pulls_ended.labels("ok").inc()
            logs.info("pull succeeded", model=action.source, pod=action.pod, volume=action.volume)
            self._tasks.pop((key, pull), None)
            self._remove(key, pull)
            self._ended(key, pull)
        self._changed(key)

    def _ended(self, key: Key, pull: PullId) -> None:
        """Let others have their turn."""
        for other in self._turns.end(key, pull):
            self._changed(other)

    async def _pull(self, key: Key, action: StartPull) -> None:
        pull, meter = (action.volume, action.model), Meter()
        renames = canonical(action.source) != canonical(action.model)
        existing = await self._ollama.models(action.address) if renames else {}
        lines = self._ollama.pull(action.address, action.source, insecure=action.insecure)
        timer: asyncio.TimerHandle | None = None
        loop = asyncio.get_running_loop()

        def report() -> None:
            nonlocal timer
            timer = None
            meter.measure()
            self._update(key, pull, meter)
            self._changed(key)

        try:
            async with aclosing(lines):
                async for progress in lines:
                    self._metrics.pull_bytes.inc(meter.add(progress))
                    due = loop.time() + max(0.0, meter.due())
                    if timer and due < timer.when() - _TIMER_SLACK_S:
                        timer.cancel()
                        timer = None
                    timer = timer or loop.call_at(due, report)
        finally:
            if timer:
                timer.cancel()
            self._update(key, pull, meter)
        if renames:
            await self._ollama.copy(action.address, action.source, action.model)
            if canonical(action.source) not in map(canonical, existing):  # otherwise it is used under that name
                await self._ollama.delete(action.address, action.source)

    def _update(self, key: Key, pull: PullId, meter: Meter) -> None:
        if record := self._records.get(key, {}).get(pull):  # none after `stop`
            self._records[key][pull] = meter.update(record)

    def _failed(self, key: Key, pull: PullId, error: str, code: str) -> None:
        self._metrics.pulls_ended.labels("failed").inc()
        self._metrics.errors.labels(code).inc()
        self._tasks.pop((key, pull), None)
        self._ended(key, pull)
        record = self._records[key][pull]
        attempts = record.attempts + 1
        at = retry_at(attempts, datetime.now(UTC))
        self._records[key][pull] = replace(
            record, stage="Failed", error=error, attempts=attempts, retry_at=at, rate=0.0
        )
        volume, model = pull
        logs.warning("pull failed", code=code, model=model, volume=volume, error=error, attempts=attempts, retry_at=at)
