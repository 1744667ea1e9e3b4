"""Workers: while this replica is the leader, they take pipelines from the queue and reconcile them independently."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from speechoperator.errors import NotLeadingError, OperatorError
from speechoperator.kube.errors import ApiError
from speechoperator.telemetry import logs

if TYPE_CHECKING:
    from speechoperator.kube.objects import Key
    from speechoperator.kube.workqueue import WorkQueue
    from speechoperator.reconciler import Reconciler, Result
    from speechoperator.telemetry.metrics import Metrics

_SHUTDOWN_GRACE_S = 3.0
"""Seconds a reconcile in progress gets to finish on shutdown."""


class Workers:
    """Not thread-safe.

    Args:
        number: Pipelines reconciled at the same time.
        queue: The pipelines to reconcile.
        reconciler: Reconciles one pipeline.
        metrics: Where results and errors are counted.
    """

    def __init__(self, number: int, queue: WorkQueue[Key], reconciler: Reconciler, metrics: Metrics) -> None:
        self._number = number
        self._queue = queue
        self._reconciler = reconciler
        self._metrics = metrics
        self._busy: dict[asyncio.Task[None], tuple[Key, float]] = {}
        self._stopping = False
        self.running = False
        """Whether `run` is running."""

    async def run(self) -> None:
        """Work until cancelled; then let the reconciles in progress finish, within the grace period.

        Raises:
            Exception: a worker ended, which is a bug in the operator.
        """
        self._stopping, self.running = False, True
        tasks = {asyncio.create_task(self._work(), name=f"worker {number}") for number in range(self._number)}
        try:
            ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                task.result()  # they do not end by themselves
        finally:
            self._stopping, self.running = True, False
            for task in tasks - self._busy.keys():
                task.cancel()
            if self._busy:
                await asyncio.wait(self._busy, timeout=_SHUTDOWN_GRACE_S)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def hung(self, limit_s: float) -> str:
        """Return which reconcile has been running for longer than `limit_s`; "" if none has."""
        for (namespace, name), began in self._busy.values():
            if (seconds := _now() - began) > limit_s:
                return f"a worker has been reconciling {namespace}/{name} for {seconds:.0f} s"
        return ""

    async def _work(self) -> None:
        task = asyncio.current_task()
        if task is None:
            return
        while not self._stopping:
            key = await self._queue.take()
            self._busy[task] = key, _now()
            try:
                with logs.pipeline(*key):
                    await self._reconcile(key)
            finally:
                del self._busy[task]
                self._queue.done(key)

    async def _reconcile(self, key: Key) -> None:
        """Reconcile a pipeline and requeue it as needed. Its errors do not affect other pipelines."""
        try:
            result = await self._reconciler.reconcile(key)
        except NotLeadingError as error:
            self._failed(error.code)
            self._queue.retry(key)  # the Lease may be renewed just in time
        except ApiError as error:
            self._failed(error.code)
            self._retry(key, error)
        except Exception:  # noqa: BLE001 - a bug in the operator that one pipeline triggers must not stop the others
            logs.exception("reconcile failed unexpectedly")
            self._failed(OperatorError.code)
            self._queue.retry(key)
        else:
            self._finished(key, result)

    def _failed(self, code: str) -> None:
        self._metrics.reconciles.labels("error").inc()
        self._metrics.errors.labels(code).inc()

    def _retry(self, key: Key, error: ApiError) -> None:
        if error.namespace_terminating:
            logs.info("namespace is terminating")
            self._queue.retry(key)  # useful only if the pipeline outlives it
            return
        seconds = self._queue.retry(key, error.retry_after or 0.0)
        logs.warning("reconcile failed", code=error.code, reason=error.advice, retry_in_s=seconds)

    def _finished(self, key: Key, result: Result) -> None:
        if result.rejected:
            self._queue.retry(key, result.retry_after)
        else:
            self._queue.succeeded(key)
        self._metrics.reconciles.labels("rejected" if result.rejected else "ok").inc()
        if result.requeue_after is not None:
            self._queue.after(key, result.requeue_after)


def _now() -> float:
    return asyncio.get_running_loop().time()
