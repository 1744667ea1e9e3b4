"""The workers: while this replica leads, they take pipelines from the queue and reconcile them, each for itself."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from speechoperator.errors import NotLeadingError
from speechoperator.kube.errors import ApiError
from speechoperator.telemetry import logs

if TYPE_CHECKING:
    from speechoperator.kube.objects import Key
    from speechoperator.kube.workqueue import WorkQueue
    from speechoperator.reconciler import Reconciler, Result
    from speechoperator.telemetry.metrics import Metrics

_FINISH = 3.0
"""Seconds that a reconcile gets to finish when the operator ends."""


class Workers:
    """Use within one event loop.

    Args:
        number: Pipelines worked on at once.
        queue: Where they come from.
        reconciler: What is done with them.
        metrics: Where results are counted.
    """

    def __init__(self, number: int, queue: WorkQueue[Key], reconciler: Reconciler, metrics: Metrics) -> None:
        self._number = number
        self._queue = queue
        self._reconciler = reconciler
        self._metrics = metrics
        self._busy: set[asyncio.Task[None]] = set()
        self._ending = False

    async def run(self) -> None:
        """Work until cancelled; then finish what is being written, as far as that is soon done."""
        self._ending = False
        tasks = {asyncio.create_task(self._work(), name=f"worker {number}") for number in range(self._number)}
        try:
            await asyncio.wait(tasks)  # they never end by themselves
        finally:
            self._ending = True
            for task in tasks - self._busy:
                task.cancel()
            if self._busy:
                await asyncio.wait(self._busy, timeout=_FINISH)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _work(self) -> None:
        task = asyncio.current_task()
        if task is None:
            return
        while not self._ending:
            key = await self._queue.take()
            self._busy.add(task)
            try:
                with logs.about(*key):
                    await self._one(key)
            finally:
                self._busy.discard(task)
                self._queue.done(key)

    async def _one(self, key: Key) -> None:
        """Reconcile a pipeline and say when it comes again. What goes wrong with it stays with it."""
        try:
            result = await self._reconciler.reconcile(key)
        except NotLeadingError:
            self._metrics.reconciles.labels("not_leading").inc()
            self._queue.retry(key)  # the Lease may be renewed just in time
        except ApiError as error:
            self._failed(key, error)
        except Exception:  # noqa: BLE001 - a pipeline that meets a fault of ours must not stop the others
            logs.logger.exception("reconcile broke")
            self._metrics.reconciles.labels("error").inc()
            self._queue.retry(key)
        else:
            self._ended(key, result)

    def _failed(self, key: Key, error: ApiError) -> None:
        if error.namespace_ends:
            logs.info("the namespace ends")
            self._metrics.reconciles.labels("gone").inc()
            self._queue.retry(key)  # in vain, unless the pipeline outlives it
            return
        seconds = self._queue.retry(key, error.retry_after or 0.0)
        self._metrics.reconciles.labels("retry").inc()
        logs.warning("reconcile failed", code=error.code, reason=error.advice, retry_in=seconds)

    def _ended(self, key: Key, result: Result) -> None:
        if result.refused:
            self._queue.retry(key, result.retry_after)
        else:
            self._queue.succeeded(key)
        self._metrics.reconciles.labels("refused" if result.refused else "ok").inc()
        if result.requeue_after is not None:
            self._queue.after(key, result.requeue_after)
