"""Keeps the store current: every kind is listed once, and watched from there on.

kopf watches. It has a kind listed again when a watch cannot be resumed; a list removes what was deleted meanwhile. All
kinds are also listed when the API server recovers, and every `RESYNC_INTERVAL`, in case an event was missed.

A kind that cannot be listed for a while keeps its last known state, and its watch.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, TypeAlias

from speechoperator.api import kinds
from speechoperator.kube.errors import ApiError
from speechoperator.telemetry import logs
from speechoperator.watch import informer
from speechoperator.watch.listing import Listing, replace

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from contextlib import AbstractAsyncContextManager

    import kopf

    from speechoperator.kube.client import KubeClient
    from speechoperator.kube.kinds import Kind
    from speechoperator.kube.objects import Key
    from speechoperator.kube.workqueue import WorkQueue
    from speechoperator.settings import Settings
    from speechoperator.telemetry.metrics import Metrics
    from speechoperator.watch.store import Store

Watch: TypeAlias = "Callable[..., AbstractAsyncContextManager[Collection[informer.Task]]]"

_DEBOUNCE_S = 0.1
"""Seconds in which changes of one pipeline are collected: a new Deployment alone causes half a dozen."""
_PAGE_ITEMS, _ALL_ITEMS = 250, 0
"""Objects in a page of a list. A page of pods is about 2 MB."""
_MAX_RETRY_S = 15.0
_MIN_RETRY_S = 1.0
_REPORTED_FAILURES = 2
"""Failed lists in a row of a kind that was listed before, after which all pipelines report it. An upgrade of the chart
takes permissions away for a moment, and every report is a write.
"""
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
        watch: What watches; see `informer.watching`.
    """

    def __init__(
        self,
        client: KubeClient,
        store: Store,
        queue: WorkQueue[Key],
        settings: Settings,
        metrics: Metrics,
        restore_signals: Callable[[], None],
        watch: Watch = informer.watching,
    ) -> None:
        self._client = client
        self._store = store
        self._queue = queue
        self._settings = settings
        self._metrics = metrics
        self._restore_signals = restore_signals
        self._watch = watch
        self._versions: dict[Kind, str] = {}
        """The resourceVersion of the last list of each kind, until a watch has begun there."""
        self._locks: dict[Kind, asyncio.Lock] = {}
        self._list_retries: dict[Kind, int] = {}
        self._failing: dict[Kind, int] = {}
        """How many lists in a row have failed, of the kinds that cannot be listed."""
        metrics.follow(metrics.unreadable_kinds, lambda: len(self._failing))
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
                    await self._watch_kinds(readable)
                else:
                    pause = _MIN_RETRY_S
            except ApiError as error:
                self._failed(error)
                self.not_ready = "" if self.synced.is_set() else error.advice
            pause = _MIN_RETRY_S if loop.time() - began > _STABLE_S else min(_MAX_RETRY_S, pause * 2)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._client.recovered.wait(), pause)
            self._client.recovered.clear()

    async def _watch_kinds(self, readable: frozenset[Kind]) -> None:
        """Watch these kinds until a watch fails permanently, or until other kinds become readable."""
        namespace = self._settings.watch_namespace
        async with self._watch(readable, namespace, self._client, self._list_for_watch, self._on_event) as tasks:
            self._restore_signals()
            interval = self._settings.resync_interval
            while True:
                recovery = asyncio.create_task(self._client.recovered.wait())
                ended, _ = await asyncio.wait({*tasks, recovery}, timeout=interval, return_when=asyncio.FIRST_COMPLETED)
                recovery.cancel()
                if ended - {recovery}:
                    self._metrics.watch_restarts.inc()
                    logs.warning("watch failed", reason=informer.failure(ended - {recovery}))
                    return
                interval = self._settings.resync_interval
                self._client.recovered.clear()
                try:
                    if await self._list_all() - readable:
                        return
                except ApiError as error:
                    self._failed(error)
                    interval = min(_MAX_RETRY_S, interval)
                if self._failing:
                    interval = min(_MAX_RETRY_S, interval)

    async def _list_for_watch(self, kind: Kind) -> str:
        """Return the resourceVersion from which a kind can be watched, "" if the list failed, after a delay."""
        if version := self._versions.pop(kind, ""):
            return version  # of a list that has been taken in already
        try:
            if await self._list(kind):
                self._list_retries.pop(kind, None)
                return self._versions.pop(kind)
        except ApiError as error:
            self._failed(error)
        failures = self._list_retries[kind] = self._list_retries.get(kind, 0) + 1
        await asyncio.sleep(min(_MAX_RETRY_S, _MIN_RETRY_S * 2.0 ** (failures - 1)))
        return ""

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
        """Take in a complete list of a kind; return whether it is readable.

        Raises:
            ApiError: the API server does not work.
        """
        async with self._locks.setdefault(kind, asyncio.Lock()):
            try:
                changed = await self._take_in(kind)
            except ApiError as error:
                if error.affects_all:
                    raise
                self._unreadable(kind, error)
                return False
        self._failing.pop(kind, None)
        if self._store.unreadable.pop(kind.name, None):
            changed = set(self._store.pipelines())
        self._enqueue(changed)
        return True

    async def _take_in(self, kind: Kind) -> set[Key]:
        """List a kind in pages; at once if the pages take longer than the API server keeps them, as client-go does."""
        try:
            return await self._take_in_pages(kind, _PAGE_ITEMS)
        except ApiError as error:
            if error.status != HTTPStatus.GONE:
                raise
            logs.info("list expired between two pages", kind=kind.name)
        return await self._take_in_pages(kind, _ALL_ITEMS)

    async def _take_in_pages(self, kind: Kind, page_items: int) -> set[Key]:
        labels = "" if kind is kinds.PIPELINE else informer.MANAGED
        listing, namespace, version = Listing(self._store, kind), self._settings.watch_namespace, ""
        async with aclosing(self._client.pages(kind, namespace, labels=labels, page_items=page_items)) as pages:
            async for items, version in pages:
                listing.page(items, version)
        self._versions[kind] = version
        return listing.end()

    def _unreadable(self, kind: Kind, error: ApiError) -> None:
        """Note that a kind cannot be listed: it is forbidden, or the cluster does not have it.

        A built-in kind is never absent: what answers 404 for it is something between.
        """
        absent = error.status == HTTPStatus.NOT_FOUND and (kind in kinds.OPTIONAL or kind is kinds.PIPELINE)
        if absent:
            self._enqueue(replace(self._store, kind, (), "0"))
        if kind in kinds.OPTIONAL:
            return
        advice = error.advice
        if absent:
            advice = "the CRD of SpeechPipeline is not installed: run python -m speechoperator crd --apply"
        if kind is kinds.PIPELINE and not self.synced.is_set():
            self.not_ready = advice
        failures = self._failing[kind] = self._failing.get(kind, 0) + 1
        if failures == 1:
            self._failed(error, advice)
        if failures < _REPORTED_FAILURES and self._store.listed(kind):
            return
        if kind.name not in self._store.unreadable:
            self._enqueue(self._store.pipelines())  # each reports it in its status
        self._store.unreadable[kind.name] = error

    def _enqueue(self, keys: Iterable[Key]) -> None:
        for key in keys:
            self._queue.add(key)

    def _failed(self, error: ApiError, advice: str = "") -> None:
        self._metrics.errors.labels(error.code).inc()
        logs.warning("list failed", code=error.code, reason=advice or error.advice)
