"""Keeps the store current: kopf watches, and complete lists catch what a watch may have missed.

A watch that was interrupted for long may resume without the deletions of that time. So all kinds are listed at the
start, when the API server recovers, and every `RESYNC_INTERVAL`: filtered by the server, some 15 requests.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING

from speechoperator.api import kinds
from speechoperator.kube.errors import ApiError
from speechoperator.telemetry import logs
from speechoperator.watch import informer

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    import kopf

    from speechoperator.kube.client import KubeClient
    from speechoperator.kube.kinds import Kind
    from speechoperator.kube.objects import Key
    from speechoperator.kube.workqueue import WorkQueue
    from speechoperator.settings import Settings
    from speechoperator.telemetry.metrics import Metrics
    from speechoperator.watch.store import Store

_DEBOUNCE_S = 0.1
"""Seconds in which changes of one pipeline are collected: a new Deployment alone causes half a dozen."""
_FIRST_RESYNC_S = 10.0
"""Seconds until the second list after the watches began: they may have begun after the first list."""
_MAX_RETRY_S = 15.0
_MIN_RETRY_S = 1.0
_STABLE_S = 60.0
"""Seconds after which a watch counts as having worked, so that the next retry is a quick one."""


class Watcher:
    """Feeds the store and the queue. Not thread-safe; `run` it as a task.

    Args:
        client: What reads from the API server.
        store: What is kept current.
        queue: Receives the pipelines that have changed.
        settings: The namespace, and the resync interval.
        metrics: Where events and restarts are counted.
        restore_signals: Called after kopf has installed its own signal handlers.
    """

    def __init__(
        self,
        client: KubeClient,
        store: Store,
        queue: WorkQueue[Key],
        settings: Settings,
        metrics: Metrics,
        restore_signals: Callable[[], None],
    ) -> None:
        self._client = client
        self._store = store
        self._queue = queue
        self._settings = settings
        self._metrics = metrics
        self._restore_signals = restore_signals
        self.synced = asyncio.Event()
        """Set once every readable kind has been listed."""
        self.not_ready = "the first list is not complete"
        """Why the store is not complete; "" when it is."""

    async def run(self) -> None:
        """Watch until cancelled."""
        loop, pause = asyncio.get_running_loop(), _MIN_RETRY_S
        while True:
            began = loop.time()
            try:
                readable = await self._list_all()
                if kinds.PIPELINE in readable:
                    await self._watch(readable)
                else:
                    pause = _MIN_RETRY_S
            except ApiError as error:
                self._failed(error)
                self.not_ready = "" if self.synced.is_set() else error.advice
            pause = _MIN_RETRY_S if loop.time() - began > _STABLE_S else min(_MAX_RETRY_S, pause * 2)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._client.recovered.wait(), pause)
            self._client.recovered.clear()

    async def _watch(self, readable: Collection[Kind]) -> None:
        """Watch these kinds until a watch fails permanently, or until other kinds become readable."""
        namespace = self._settings.watch_namespace
        async with informer.watching(readable, namespace, self._client, self._on_event) as tasks:
            self._restore_signals()
            interval = soon = min(_FIRST_RESYNC_S, self._settings.resync_interval)
            while True:
                recovery = asyncio.create_task(self._client.recovered.wait())
                ended, _ = await asyncio.wait({*tasks, recovery}, timeout=interval, return_when=asyncio.FIRST_COMPLETED)
                recovery.cancel()
                if ended - {recovery}:
                    self._metrics.watch_restarts.inc()
                    logs.warning("watch failed", reason=informer.failure(ended - {recovery}))
                    return
                interval = soon if recovery in ended else self._settings.resync_interval
                self._client.recovered.clear()
                try:
                    if await self._list_all() != readable:
                        return
                except ApiError as error:
                    self._failed(error)
                    interval = soon
                if self._store.unreadable:
                    interval = min(_MAX_RETRY_S, self._settings.resync_interval)

    def _on_event(self, event: kopf.RawEvent) -> None:
        changed = self._store.observe(event["type"], dict(event["object"]))
        self._metrics.events.labels(event["object"]["kind"], str(bool(changed)).lower()).inc()
        for key in changed:
            self._queue.after(key, _DEBOUNCE_S)

    async def _list_all(self) -> frozenset[Kind]:
        """List every kind; return those that are readable.

        Raises:
            ApiError: the API server does not work.
        """
        readable = {kind for kind in kinds.WATCHED if await self._list(kind)}
        if kinds.PIPELINE in readable and not self.synced.is_set():
            self.not_ready = ""
            self.synced.set()
            logs.info("caches synced", pipelines=len(list(self._store.pipelines())), objects=len(self._store))
        return frozenset(readable)

    async def _list(self, kind: Kind) -> bool:
        labels = "" if kind is kinds.PIPELINE else informer.MANAGED
        try:
            items, version = await self._client.list(kind, self._settings.watch_namespace, labels=labels)
        except ApiError as error:
            if error.affects_all:
                raise
            self._unreadable(kind, error)
            return False
        changed = self._store.replace(kind, items, version)
        if self._store.unreadable.pop(kind.name, None):
            changed = set(self._store.pipelines())
        self._enqueue(changed)
        return True

    def _unreadable(self, kind: Kind, error: ApiError) -> None:
        """Note that a kind cannot be listed: it is forbidden, or the cluster does not have it."""
        absent = error.status == HTTPStatus.NOT_FOUND
        if absent:
            self._enqueue(self._store.replace(kind, (), "0"))
        if kind in kinds.OPTIONAL:
            return
        advice = error.advice
        if absent and kind is kinds.PIPELINE:
            advice = "the CRD of SpeechPipeline is not installed: run python -m speechoperator crd --apply"
        if kind is kinds.PIPELINE and not self.synced.is_set():
            self.not_ready = advice
        if kind.name not in self._store.unreadable:
            self._failed(error, advice)
            self._enqueue(self._store.pipelines())  # each reports it in its status
        self._store.unreadable[kind.name] = error

    def _enqueue(self, keys: Iterable[Key]) -> None:
        for key in keys:
            self._queue.add(key)

    def _failed(self, error: ApiError, advice: str = "") -> None:
        self._metrics.errors.labels(error.code).inc()
        logs.warning("list failed", code=error.code, reason=advice or error.advice)
