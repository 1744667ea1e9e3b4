"""Keeps the store true: kopf watches, and whole listings find what a watch may have missed.

A watch that was cut for long may go on without telling of what was deleted meanwhile. So all kinds are listed at the
start, when the API server comes back, and every `RESYNC_INTERVAL`: filtered by the server, some 15 requests.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING

import kopf

from speechoperator.api import kinds
from speechoperator.kube.errors import ApiError
from speechoperator.telemetry import logs
from speechoperator.watch import handlers, informer

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from speechoperator.kube.client import Cluster
    from speechoperator.kube.kinds import Kind
    from speechoperator.kube.objects import Key
    from speechoperator.kube.workqueue import WorkQueue
    from speechoperator.settings import Settings
    from speechoperator.telemetry.metrics import Metrics
    from speechoperator.watch.store import Store

_GAP = 10.0
"""Seconds until all is listed again after the watches began: they may have begun after the first listing."""
_ASK_AGAIN = 15.0
_LIVED = 60.0


class Watching:
    """Use within one event loop; `run` it as a task.

    Args:
        cluster: The API.
        store: Is kept true.
        queue: Gets the pipelines for which there is news.
        settings: Which namespace, how often.
        metrics: Where changes and restarts are counted.
        reclaim: Called after kopf has taken the process's signals for itself.
    """

    def __init__(
        self,
        cluster: Cluster,
        store: Store,
        queue: WorkQueue[Key],
        settings: Settings,
        metrics: Metrics,
        reclaim: Callable[[], None],
    ) -> None:
        self._cluster = cluster
        self._store = store
        self._queue = queue
        self._settings = settings
        self._metrics = metrics
        self._reclaim = reclaim
        self.synced = asyncio.Event()
        """Set once everything that may be read was listed."""
        self.waits_for = "not all is listed yet"
        """Why it is not, in words; "" when it is."""

    async def run(self) -> None:
        """Watch until cancelled."""
        loop, pause = asyncio.get_running_loop(), 1.0
        while True:
            began = loop.time()
            try:
                readable = await self._list_all()
                if kinds.PIPELINE in readable:
                    await self._watch(readable)
                else:
                    pause = 1.0
            except ApiError as error:
                self._complain(error.advice)
                self.waits_for = "" if self.synced.is_set() else error.advice
            pause = 1.0 if loop.time() - began > _LIVED else min(_ASK_AGAIN, pause * 2)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._cluster.came_back.wait(), pause)
            self._cluster.came_back.clear()

    async def _watch(self, readable: Collection[Kind]) -> None:
        """Watch these kinds until a watch fails for good, or until other kinds can be read."""
        registry = kopf.OperatorRegistry()
        handlers.register(registry, readable, self._store, self._queue, self._metrics)
        async with informer.watching(registry, readable, self._settings.watch_namespace, self._cluster) as tasks:
            self._reclaim()
            interval = soon = min(_GAP, self._settings.resync_interval)
            while True:
                back = asyncio.create_task(self._cluster.came_back.wait())
                ended, _ = await asyncio.wait({*tasks, back}, timeout=interval, return_when=asyncio.FIRST_COMPLETED)
                back.cancel()
                if ended - {back}:
                    self._metrics.watch_restarts.inc()
                    self._complain(informer.reason(ended - {back}))
                    return
                interval = soon if back in ended else self._settings.resync_interval
                self._cluster.came_back.clear()
                try:
                    if await self._list_all() != readable:
                        return
                except ApiError as error:
                    self._complain(error.advice)
                    interval = soon
                if self._store.unreadable:
                    interval = min(_ASK_AGAIN, self._settings.resync_interval)

    async def _list_all(self) -> frozenset[Kind]:
        """List every kind; return those that can be read.

        Raises:
            ApiError: the API server does not answer as it should.
        """
        readable = {kind for kind in kinds.WATCHED if await self._list(kind)}
        if kinds.PIPELINE in readable and not self.synced.is_set():
            self.waits_for = ""
            self.synced.set()
            logs.info("everything is listed", pipelines=len(list(self._store.pipelines())), objects=len(self._store))
        return frozenset(readable)

    async def _list(self, kind: Kind) -> bool:
        labels = "" if kind is kinds.PIPELINE else informer.OURS
        try:
            items, version = await self._cluster.list(kind, self._settings.watch_namespace, labels=labels)
        except ApiError as error:
            if error.concerns_all:
                raise
            self._unreadable(kind, error)
            return False
        news = self._store.replace(kind, items, version)
        if self._store.unreadable.pop(kind.name, None):
            news = set(self._store.pipelines())
        self._queue_all(news)
        return True

    def _unreadable(self, kind: Kind, error: ApiError) -> None:
        """Take note that a kind cannot be listed: it may not be, or the cluster does not have it."""
        absent = error.status == HTTPStatus.NOT_FOUND
        if absent:
            self._queue_all(self._store.replace(kind, (), "0"))
        if kind in kinds.OPTIONAL:
            return
        advice = error.advice
        if absent and kind is kinds.PIPELINE:
            advice = "the cluster has no SpeechPipeline: install its definition (python -m speechoperator crd --apply)"
        if kind is kinds.PIPELINE and not self.synced.is_set():
            self.waits_for = advice
        if kind.name not in self._store.unreadable:
            self._complain(advice)
            self._queue_all(self._store.pipelines())  # each says so in its status
        self._store.unreadable[kind.name] = error

    def _queue_all(self, keys: Iterable[Key]) -> None:
        for key in keys:
            self._queue.add(key)

    def _complain(self, reason: str) -> None:
        logs.warning("cannot watch", reason=reason)
