"""Model pulls in the background, with their progress.

State is in memory only: after a restart the plan starts what is missing, and Ollama resumes where it was.
"""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from speechoperator.errors import OllamaError, OperatorError
from speechoperator.ollama.meter import Meter
from speechoperator.plan.models import definitions
from speechoperator.plan.models.disk import exceeded
from speechoperator.plan.models.names import canonical
from speechoperator.plan.models.pull_errors import retry_at
from speechoperator.plan.snapshot import Pull
from speechoperator.telemetry import logs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

    from speechoperator.kube.objects import Key
    from speechoperator.ollama.client import OllamaClient
    from speechoperator.ollama.turns import PullId, Turns
    from speechoperator.plan.actions import StartPull, StopPull
    from speechoperator.telemetry.metrics import Metrics

_TIMER_SLACK_S = 0.05


class Pulls:
    """The pulls of all pipelines. Not thread-safe.

    Args:
        ollama: The client.
        metrics: Where bytes and outcomes are counted.
        changed: Called with the pipeline whose progress has changed: at most once a second for each pull, and when one
            ends.
        pulled: Called when a model has been pulled, before its record is removed: reads again what the pods have.
        turns: Which pull may run, over all pipelines.
        jitter: Returns a number from 0 to 1, by which retries are spread: pulls that failed together, when a registry
            went down, do not all come back together.
    """

    def __init__(
        self,
        ollama: OllamaClient,
        metrics: Metrics,
        changed: Callable[[Key], None],
        pulled: Callable[[Key], Awaitable[None]],
        turns: Turns,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._ollama = ollama
        self._metrics = metrics
        self._changed = changed
        self._pulled = pulled
        self._turns = turns
        self._jitter = jitter
        self._records: defaultdict[Key, dict[PullId, Pull]] = defaultdict(dict)
        self._refreshed: defaultdict[Key, dict[PullId, datetime]] = defaultdict(dict)
        self._tasks: dict[tuple[Key, PullId], asyncio.Task[None]] = {}
        metrics.follow(metrics.pulls, lambda: len(self._tasks))

    def of(self, key: Key) -> Mapping[PullId, Pull]:
        """Return a pipeline's pulls, by volume and model: those in progress, and those that failed."""
        return dict(self._records.get(key, {}))

    def refreshed(self, key: Key) -> Mapping[PullId, datetime]:
        """Return when models of a pipeline were last pulled, by volume and model, as far as this process knows."""
        return dict(self._refreshed.get(key, {}))

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
        what = "model adopted" if action.adopt else "pull started"
        logs.info(what, model=action.source, pod=action.pod, volume=action.volume)

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
        self._refreshed.pop(key, None)
        for pull in list(self._records.get(key, {})):
            self._remove(key, pull)

    async def close(self) -> None:
        """Abort all pulls, and wait until their connections are closed."""
        tasks = list(self._tasks.values())
        self._turns.clear()
        self._refreshed.clear()  # another replica may lead meanwhile; what it did is in the status
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
            if action.adopt:
                await self._adopt(action)
            else:
                await self._pull(key, action)
            await self._pulled(key)
        except OllamaError as error:
            self._failed(key, pull, str(error), error.code)
        except Exception as error:  # noqa: BLE001 - a bug in the operator must not leave a pull "in progress"
            logs.exception("pull failed unexpectedly")
            self._failed(key, pull, f"the operator failed: {error}", OperatorError.code)
        else:
            if not action.adopt:
                self._refreshed[key][pull] = datetime.now(UTC)
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
        """Pull what is missing, give it its name and its marker, and free what it replaces.

        A model from another name is renamed; a derived one is created from its base, which stays.
        """
        address, source, model = action.address, action.source, action.model
        renames = canonical(source) != canonical(model)
        existing = await self._digests(address)
        pulls = action.refresh or not action.definition or canonical(source) not in existing
        async with AsyncExitStack() as stack:
            for name in {canonical(model), canonical(source)}.intersection(existing):
                await stack.enter_async_context(self._replacing(address, name, existing[name]))
            if pulls:
                await self._download(key, action)
            if action.definition:
                await self._ollama.create(address, model, action.definition)
            await self._mark(action)
            if renames and not action.definition:
                await self._ollama.copy(address, source, model)
                if canonical(source) not in existing:  # otherwise it is used under that name
                    await self._ollama.delete(address, source)

    async def _adopt(self, action: StartPull) -> None:
        """Mark a model that is there, unless a pull of another pipeline has marked it while this one waited."""
        if not definitions.has_source_marker(action.model, await self._digests(action.address)):
            marker = definitions.source_marker(action.model, action.source)
            await self._ollama.copy(action.address, action.model, marker)

    async def _mark(self, action: StartPull) -> None:
        """Give a model, or what is to become it, its marker."""
        model, source = action.model, action.source
        if action.definition:
            base = (await self._digests(action.address)).get(canonical(source), "")
            await self._ollama.copy(action.address, model, definitions.marker(model, action.definition, base))
        else:
            await self._ollama.copy(action.address, source, definitions.source_marker(model, source))

    async def _digests(self, address: str) -> dict[str, str]:
        return {canonical(name): digest for name, digest in (await self._ollama.models(address)).items()}

    @asynccontextmanager
    async def _replacing(self, address: str, name: str, digest: str) -> AsyncIterator[None]:
        """Free the weights of a model that is replaced: with `OLLAMA_NOPRUNE`, Ollama does that only in a deletion.

        Until then it has a second name. One that is left behind, by an error or a crash, is planned as a removal.
        """
        before = definitions.replaced(name, digest)
        await self._ollama.copy(address, name, before)
        yield
        try:
            await self._ollama.delete(address, before)
        except OllamaError as error:
            logs.warning("replaced model not removed", code=error.code, model=name, error=error)

    async def _download(self, key: Key, action: StartPull) -> None:
        pull, meter = (action.volume, action.model), Meter()
        lines = self._ollama.pull(action.address, action.source, insecure=action.insecure)
        timer: asyncio.TimerHandle | None = None
        loop = asyncio.get_running_loop()

        def report() -> None:
            nonlocal timer
            timer = None
            self._update(key, pull, meter.report)
            self._changed(key)

        try:
            async with aclosing(lines):
                async for progress in lines:
                    self._metrics.pull_bytes.inc(meter.add(progress))
                    if 0 < action.capacity < action.used + meter.added:
                        raise OllamaError(exceeded(meter.added, action.capacity, action.used))
                    due = loop.time() + max(0.0, meter.due())
                    if timer and due < timer.when() - _TIMER_SLACK_S:
                        timer.cancel()
                        timer = None
                    timer = timer or loop.call_at(due, report)
        finally:
            if timer:
                timer.cancel()
            self._update(key, pull, meter.update)

    def _update(self, key: Key, pull: PullId, update: Callable[[Pull], Pull]) -> None:
        if record := self._records.get(key, {}).get(pull):  # none after `stop`
            self._records[key][pull] = update(record)

    def _failed(self, key: Key, pull: PullId, error: str, code: str) -> None:
        self._metrics.pulls_ended.labels("failed").inc()
        self._metrics.errors.labels(code).inc()
        self._tasks.pop((key, pull), None)
        self._ended(key, pull)
        record = self._records[key][pull]
        attempts = record.attempts + 1
        at = retry_at(attempts, datetime.now(UTC), self._jitter())
        self._records[key][pull] = replace(
            record, stage="Failed", error=error, attempts=attempts, retry_at=at, rate=0.0, verifying=False
        )
        volume, model = pull
        logs.warning("pull failed", code=code, model=model, volume=volume, error=error, attempts=attempts, retry_at=at)
