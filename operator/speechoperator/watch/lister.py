"""Lists kinds into the store, each in each namespace, and remembers what could not be listed.

A kind that cannot be listed for a while keeps its last known state.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from http import HTTPStatus
from typing import TYPE_CHECKING

from speechoperator.api import kinds
from speechoperator.kube.errors import ApiError
from speechoperator.telemetry import logs
from speechoperator.watch.informer import MANAGED
from speechoperator.watch.listing import Listing, replace
from speechoperator.watch.store import Scope

if TYPE_CHECKING:
    from collections.abc import Iterable

    from speechoperator.kube.client import KubeClient
    from speechoperator.kube.kinds import Kind
    from speechoperator.kube.objects import Key
    from speechoperator.kube.workqueue import WorkQueue
    from speechoperator.telemetry.metrics import Metrics
    from speechoperator.watch.store import Store

_PAGE_ITEMS, _ALL_ITEMS = 250, 0
"""Objects in a page of a list. A page of pods is about 2 MB."""
_REPORTED_FAILURES = 2
"""Failed lists in a row of a kind that was listed before, after which the pipelines report it. An upgrade of the chart
takes permissions away for a moment, and every report is a write.
"""


class Lister:
    """Not thread-safe.

    Args:
        client: What reads from the API server.
        store: Where the objects go.
        queue: Receives the pipelines that have changed.
        namespaces: The namespaces, each listed on its own; ("",) for all of them together.
        metrics: Where errors are counted.
    """

    def __init__(
        self, client: KubeClient, store: Store, queue: WorkQueue[Key], namespaces: tuple[str, ...], metrics: Metrics
    ) -> None:
        self._client = client
        self._store = store
        self._queue = queue
        self._namespaces = namespaces
        self._metrics = metrics
        self._locks: dict[Scope, asyncio.Lock] = {}
        self.versions: dict[Scope, str] = {}
        """The resourceVersion of the last list of each scope, until a watch has begun there."""
        self.failing: dict[Scope, int] = {}
        """How many lists in a row have failed, of what cannot be listed."""
        self.pipelines_unreadable = ""
        """Why pipelines could not be listed; "" if they never failed to be."""
        metrics.follow(metrics.unreadable_kinds, lambda: len({scope.kind for scope in self.failing}))

    async def list_all(self) -> frozenset[Kind]:
        """List every kind in every namespace; return those that are readable in at least one.

        Raises:
            ApiError: the API server does not work.
        """
        found = [(kind, await self.list(kind, namespace)) for kind in kinds.WATCHED for namespace in self._namespaces]
        return frozenset(kind for kind, readable in found if readable)

    async def list_again(self, watched: frozenset[Kind], scopes: frozenset[Scope]) -> frozenset[Kind]:
        """List kinds that are not watched, and some scopes; return the kinds that are readable.

        Args:
            watched: The kinds that are watched.
            scopes: Further scopes to list.

        Raises:
            ApiError: the API server does not work.
        """
        again = [
            (kind, namespace)
            for kind in kinds.WATCHED
            for namespace in self._namespaces
            if kind not in watched or Scope(kind.name, namespace) in scopes
        ]
        return frozenset([kind for kind, namespace in again if await self.list(kind, namespace)])

    async def list(self, kind: Kind, namespace: str) -> bool:
        """Take in a complete list of a kind in a namespace; return whether it is readable.

        Raises:
            ApiError: the API server does not work.
        """
        scope = Scope(kind.name, namespace)
        async with self._locks.setdefault(scope, asyncio.Lock()):
            try:
                changed = await self._take_in(kind, namespace)
            except ApiError as error:
                if error.affects_all:
                    raise
                self._unreadable(kind, scope, error)
                return False
        self.failing.pop(scope, None)
        if self._store.unreadable.pop(scope, None):
            changed = set(self._store.pipelines(namespace))
        self._enqueue(changed)
        return True

    async def _take_in(self, kind: Kind, namespace: str) -> set[Key]:
        """List a kind in pages; at once if the pages take longer than the API server keeps them, as client-go does."""
        try:
            return await self._take_in_pages(kind, namespace, _PAGE_ITEMS)
        except ApiError as error:
            if error.status != HTTPStatus.GONE:
                raise
            logs.info("list expired between two pages", kind=kind.name)
        return await self._take_in_pages(kind, namespace, _ALL_ITEMS)

    async def _take_in_pages(self, kind: Kind, namespace: str, page_items: int) -> set[Key]:
        labels = "" if kind is kinds.PIPELINE else MANAGED
        listing, version = Listing(self._store, kind, namespace), ""
        async with aclosing(self._client.pages(kind, namespace, labels=labels, page_items=page_items)) as pages:
            async for items, version in pages:
                listing.page(items, version)
        self.versions[Scope(kind.name, namespace)] = version
        return listing.end()

    def _unreadable(self, kind: Kind, scope: Scope, error: ApiError) -> None:
        """Note that a kind cannot be listed: it is forbidden, or the cluster does not have it.

        A built-in kind is never absent: what answers 404 for it is something between.
        """
        absent = error.status == HTTPStatus.NOT_FOUND and (kind in kinds.OPTIONAL or kind is kinds.PIPELINE)
        if absent:
            self._enqueue(replace(self._store, kind, (), "0", scope.namespace))
        if kind in kinds.OPTIONAL:
            return
        advice = error.advice
        if absent:
            advice = "the CRD of SpeechPipeline is not installed: run python -m speechoperator crd --apply"
        if kind is kinds.PIPELINE:
            self.pipelines_unreadable = advice
        failures = self.failing[scope] = self.failing.get(scope, 0) + 1
        if failures == 1:
            self.failed(error, advice)
        if failures < _REPORTED_FAILURES and self._store.listed(kind, scope.namespace):
            return
        if scope not in self._store.unreadable:
            self._enqueue(self._store.pipelines(scope.namespace))  # each reports it in its status
        self._store.unreadable[scope] = error

    def _enqueue(self, keys: Iterable[Key]) -> None:
        for key in keys:
            self._queue.add(key)

    def failed(self, error: ApiError, advice: str = "") -> None:
        """Count and log a failed list."""
        self._metrics.errors.labels(error.code).inc()
        logs.warning("list failed", code=error.code, reason=advice or error.advice)
