"""Keeps the store current: every kind is listed once, and watched from there on.

kopf watches. It has a kind listed again when a watch cannot be resumed; a list removes what was deleted meanwhile. All
kinds are also listed when the API server recovers, and every `RESYNC_INTERVAL`, in case an event was missed. What could
not be listed, and kinds that the cluster lacks, are listed again much sooner.

With `WATCH_NAMESPACES`, each kind is listed and watched in each of these namespaces, and what is forbidden in one does
not concern the others.
"""

from __future__ import annotations

import asyncio
import math
from contextlib import suppress
from typing import TYPE_CHECKING, TypeAlias

from speechoperator.api import kinds
from speechoperator.kube.errors import ApiError
from speechoperator.settings import ALL_NAMESPACES
from speechoperator.telemetry import logs
from speechoperator.watch import informer
from speechoperator.watch.lister import Lister
from speechoperator.watch.store import Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
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
_MAX_RETRY_S = 15.0
_MIN_RETRY_S = 1.0
_ABSENT_S = 60.0
"""Seconds until a kind is looked for again that the cluster lacks: the Gateway API may be installed at any time."""
_STABLE_S = 60.0
"""Seconds after which a watch counts as having worked, so that the next retry is a quick one."""


class Watcher:
    """Feeds the store and the queue. Not thread-safe; `run` it as a task.

    Args:
        client: What reads from the API server.
        store: What is kept current.
        queue: Receives the pipelines that have changed.
        settings: The namespaces, and the resync interval.
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
        self._lister = Lister(client, store, queue, settings.namespaces, metrics)
        self._list_retries: dict[Scope, int] = {}
        """How many lists in a row have failed, of those that watches wait for."""
        self.synced = asyncio.Event()
        """Set once everything readable has been listed."""
        self._error = ""

    @property
    def not_ready(self) -> str:
        """Why the store is not complete; "" when it is."""
        if self.synced.is_set():
            return ""
        return self._error or self._lister.pipelines_unreadable or "the first list is not complete"

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
                self._lister.failed(error)
                self._error = error.advice
            pause = _MIN_RETRY_S if loop.time() - began > _STABLE_S else min(_MAX_RETRY_S, pause * 2)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._client.recovered.wait(), pause)
            self._client.recovered.clear()

    async def _watch_kinds(self, readable: frozenset[Kind]) -> None:
        """Watch these kinds until a watch fails permanently, or until other kinds become readable."""
        namespaces = [] if self._settings.namespaces == ALL_NAMESPACES else self._settings.namespaces
        async with self._watch(readable, namespaces, self._client, self._list_for_watch, self._on_event) as tasks:
            self._restore_signals()
            resync_at = _now() + self._settings.resync_interval
            while True:
                recovery = asyncio.create_task(self._client.recovered.wait())
                pause = max(0.0, min(self._retry_after(readable), resync_at - _now()))
                ended, _ = await asyncio.wait({*tasks, recovery}, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
                recovery.cancel()
                if ended - {recovery}:
                    self._metrics.watch_restarts.inc()
                    logs.warning("watch failed", reason=informer.failure(ended - {recovery}))
                    return
                self._client.recovered.clear()
                try:
                    if ended or _now() >= resync_at:
                        found = await self._list_all()
                        resync_at = _now() + self._settings.resync_interval
                    else:
                        found = await self._lister.list_again(readable, self._unattended)
                except ApiError as error:
                    self._lister.failed(error)
                    resync_at = _now() + min(_MAX_RETRY_S, self._settings.resync_interval)
                    continue
                if found - readable:
                    return

    @property
    def _unattended(self) -> frozenset[Scope]:
        """What could not be listed, and is not tried again by a watch that is to begin there."""
        return frozenset(self._lister.failing.keys() - self._list_retries.keys())

    def _retry_after(self, watched: frozenset[Kind]) -> float:
        """Return the seconds until what could not be listed is listed again."""
        if self._unattended:
            return _MAX_RETRY_S
        return math.inf if watched == frozenset(kinds.WATCHED) else _ABSENT_S

    async def _list_for_watch(self, kind: Kind, namespace: str) -> str:
        """Return the resourceVersion from which a kind can be watched, "" if the list failed, after a delay."""
        scope = Scope(kind.name, namespace)
        if version := self._lister.versions.pop(scope, ""):
            return version  # of a list that has been taken in already
        try:
            if await self._lister.list(kind, namespace):
                self._list_retries.pop(scope, None)
                return self._lister.versions.pop(scope)
        except ApiError as error:
            self._lister.failed(error)
        failures = self._list_retries[scope] = self._list_retries.get(scope, 0) + 1
        await asyncio.sleep(min(_MAX_RETRY_S, _MIN_RETRY_S * 2.0 ** (failures - 1)))
        return ""

    async def _list_all(self) -> frozenset[Kind]:
        """List every kind in every namespace; return those that are readable in at least one.

        Raises:
            ApiError: the API server does not work.
        """
        readable = await self._lister.list_all()
        self._error = ""
        if kinds.PIPELINE in readable and not self.synced.is_set():
            self.synced.set()
            logs.info("caches synced", pipelines=len(list(self._store.pipelines())), objects=len(self._store))
        return readable

    def _on_event(self, event: kopf.RawEvent) -> None:
        changed = self._store.observe(event["type"], dict(event["object"]))
        self._metrics.events.labels(event["object"]["kind"], str(bool(changed)).lower()).inc()
        for key in changed:
            self._queue.after(key, _DEBOUNCE_S)


def _now() -> float:
    return asyncio.get_running_loop().time()
