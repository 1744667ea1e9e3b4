"""Loads models into the memory of pods in the background, and sees what Ollama keeps there.

State is in memory only; which pods are warm is in the pipeline's status.
"""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from speechoperator.errors import OllamaError, OperatorError
from speechoperator.plan.models.names import canonical
from speechoperator.plan.models.pull_errors import retry_at
from speechoperator.plan.snapshot import Memory, WarmUp
from speechoperator.telemetry import logs

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from speechoperator.kube.objects import Key
    from speechoperator.ollama.client import OllamaClient
    from speechoperator.ollama.messages import Running
    from speechoperator.plan.actions import StartWarmUp
    from speechoperator.telemetry.metrics import Metrics

_EXPIRY_MARGIN = timedelta(seconds=5)
"""A model that is gone so shortly before its time, by the clock of the pod, has expired and was not evicted."""


class WarmUps:
    """The warm-ups of all pipelines. Not thread-safe.

    Args:
        ollama: The client.
        metrics: Where outcomes are counted.
        changed: Called with a pipeline when one of its warm-ups ends.
        jitter: Returns a number from 0 to 1, by which retries are spread.
    """

    def __init__(
        self,
        ollama: OllamaClient,
        metrics: Metrics,
        changed: Callable[[Key], None],
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._ollama = ollama
        self._metrics = metrics
        self._changed = changed
        self._jitter = jitter
        self._records: defaultdict[Key, dict[str, WarmUp]] = defaultdict(dict)
        self._tasks: dict[tuple[Key, str], asyncio.Task[None]] = {}

    def of(self, key: Key, pods: Collection[str]) -> Mapping[str, WarmUp]:
        """Return the warm-ups of a pipeline's pods; those of other pods end."""
        for pod in [pod for pod in self._records.get(key, {}) if pod not in pods]:
            self._remove(key, pod)
        return dict(self._records.get(key, {}))

    def start(self, key: Key, actions: Sequence[StartWarmUp]) -> None:
        """Start warm-ups, except those in progress; stop those in progress that are not among them."""
        wanted = {action.pod: action for action in actions}
        for pod, record in list(self._records.get(key, {}).items()):
            if record.stage == "Loading" and (pod not in wanted or wanted[pod].key != record.key):
                self._remove(key, pod)
        for action in actions:
            if (key, action.pod) not in self._tasks and not action.continued:
                self._start(key, action)

    def forget(self, key: Key) -> None:
        """Stop and forget all warm-ups of a pipeline."""
        for pod in list(self._records.get(key, {})):
            self._remove(key, pod)

    async def close(self) -> None:
        """Stop all warm-ups, and wait until their connections are closed."""
        tasks = list(self._tasks.values())
        for key in list(self._records):
            self.forget(key)
        await asyncio.gather(*tasks, return_exceptions=True)

    def _start(self, key: Key, action: StartWarmUp) -> None:
        before = self._records[key].get(action.pod)
        record = WarmUp(action.pod, action.key, "Loading")
        if before and before.key == action.key:
            record = replace(record, attempts=before.attempts, error=before.error, model=before.model)
        self._records[key][action.pod] = record
        task = asyncio.create_task(self._run(key, action), name=f"warm-up of {action.pod} for {key}")
        self._tasks[key, action.pod] = task
        logs.info("warm-up started", pod=action.pod, models=[name for name, _ in action.loads])

    def _remove(self, key: Key, pod: str) -> None:
        if task := self._tasks.pop((key, pod), None):
            task.cancel()
        self._records[key].pop(pod, None)
        if not self._records[key]:
            del self._records[key]

    async def _run(self, key: Key, action: StartWarmUp) -> None:
        try:
            await self._load(key, action)
        except OllamaError as error:
            self._failed(key, action.pod, str(error), error.code)
        except Exception as error:  # noqa: BLE001 - a bug in the operator must not leave a warm-up "in progress"
            logs.exception("warm-up failed unexpectedly")
            self._failed(key, action.pod, f"the operator failed: {error}", OperatorError.code)
        else:
            self._metrics.warm_ups.labels("ok").inc()
            logs.info("warm-up succeeded", pod=action.pod)
            self._update(key, action.pod, stage="Loaded", model="", error="", attempts=0)
        self._tasks.pop((key, action.pod), None)
        self._changed(key)

    async def _load(self, key: Key, action: StartWarmUp) -> None:
        """Load one model after the other; what Ollama unloads meanwhile, before its time, has been evicted."""
        memory: dict[str, Memory] = {}
        evicted: set[str] = set()
        before: dict[str, Running] = {}
        for name, parameters in action.loads:
            self._update(key, action.pod, model=name)
            await self._ollama.load(action.address, name, parameters)
            now = datetime.now(UTC)
            running = {canonical(one.name): one for one in await self._ollama.running(action.address)}
            evicted |= {gone for gone, one in before.items() if gone not in running and not _expired(one, now)}
            if one := running.get(canonical(name)):
                memory[canonical(name)] = Memory(one.size or 0, one.size_vram or 0)
                before[canonical(name)] = one
        self._update(key, action.pod, memory=memory, evicted=tuple(sorted(evicted)))

    def _update(self, key: Key, pod: str, **changes: Any) -> None:
        if record := self._records.get(key, {}).get(pod):
            self._records[key][pod] = replace(record, **changes)

    def _failed(self, key: Key, pod: str, error: str, code: str) -> None:
        self._metrics.warm_ups.labels("failed").inc()
        self._metrics.errors.labels(code).inc()
        attempts = self._records[key][pod].attempts + 1
        at = retry_at(attempts, datetime.now(UTC), self._jitter())
        self._update(key, pod, stage="Failed", error=error, attempts=attempts, retry_at=at)
        logs.warning("warm-up failed", code=code, pod=pod, error=error, attempts=attempts, retry_at=at)


def _expired(model: Running, now: datetime) -> bool:
    return model.expires_at is not None and model.expires_at - _EXPIRY_MARGIN <= now
