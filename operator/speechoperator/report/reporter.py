"""Report: the status and the Events, each only when it says something new."""

from __future__ import annotations

import json
from collections import defaultdict
from http import HTTPStatus
from typing import TYPE_CHECKING

from speechoperator.api import kinds
from speechoperator.kube.errors import ApiError

if TYPE_CHECKING:
    from datetime import datetime

    from speechoperator.apply.writer import Writes
    from speechoperator.kube.objects import Key, Object
    from speechoperator.plan.actions import Event, Plan
    from speechoperator.watch.store import Store

_QUIET = 600.0
"""Seconds in which the same Event is not recorded again; what flaps is in the status."""


class Reporter:
    """Reports on pipelines.

    Args:
        writes: What is written with.
        store: Where the status that stands is.
    """

    def __init__(self, writes: Writes, store: Store) -> None:
        self._writes = writes
        self._store = store
        self._kept: dict[Key, tuple[str, str]] = {}
        self._told: defaultdict[Key, dict[Event, float]] = defaultdict(dict)

    async def report(self, key: Key, plan: Plan, now: datetime) -> None:
        """Write what a plan says about a pipeline, as far as it is news.

        Raises:
            ApiError: the server refused or did not answer.
            NotLeadingError: another replica may lead.
        """
        pipeline = self._store.pipeline(key)
        if pipeline is None:
            return
        try:
            await self._status(key, pipeline, plan)
        except ApiError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            self._store.lost(kinds.PIPELINE, key.namespace, key.name, pipeline["metadata"]["uid"])
            return
        for event in plan.events:
            await self._event(key, pipeline, event, now)

    def forget(self, key: Key) -> None:
        """Forget a pipeline."""
        self._kept.pop(key, None)
        self._told.pop(key, None)

    async def _status(self, key: Key, pipeline: Object, plan: Plan) -> None:
        live = pipeline.get("status") or {}
        if plan.status == live:
            return
        wanted = json.dumps(plan.status, sort_keys=True)
        if self._kept.get(key) == (wanted, json.dumps(live, sort_keys=True)):
            return  # the definition in the cluster is older and drops a field: once more would come to the same
        await self._writes.status(pipeline, plan.status)
        after = (self._store.pipeline(key) or {}).get("status") or {}
        self._kept[key] = (wanted, json.dumps(after, sort_keys=True))

    async def _event(self, key: Key, pipeline: Object, event: Event, now: datetime) -> None:
        told = self._told[key]
        for old in [old for old, at in told.items() if now.timestamp() - at > _QUIET]:
            del told[old]
        if event not in told:
            await self._writes.event(pipeline, event, now)
            told[event] = now.timestamp()
