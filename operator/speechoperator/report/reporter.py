"""Report: write the status and the Events, each only when it says something new."""

from __future__ import annotations

import json
from collections import defaultdict
from hashlib import sha256
from http import HTTPStatus
from typing import TYPE_CHECKING

from speechoperator.api import kinds
from speechoperator.kube.errors import ApiError

if TYPE_CHECKING:
    from datetime import datetime

    from speechoperator.kube.objects import Json, Key, Object
    from speechoperator.plan.actions import Event, Plan
    from speechoperator.report.recorder import Recorder
    from speechoperator.watch.store import Store

_EVENT_DEDUP_S = 600.0
"""Seconds in which the same Event is not recorded again; conditions that flap are visible in the status."""


class Reporter:
    """Reports on pipelines.

    Args:
        recorder: What writes.
        store: What is known of the cluster: the current status.
    """

    def __init__(self, recorder: Recorder, store: Store) -> None:
        self._recorder = recorder
        self._store = store
        self._written: dict[Key, tuple[bytes, bytes]] = {}
        """Hashes of the status written last, and of what the API server made of it."""
        self._recorded: defaultdict[Key, dict[Event, float]] = defaultdict(dict)

    async def report(self, key: Key, plan: Plan, now: datetime) -> bool:
        """Write the status and the Events of a plan, as far as they are new.

        Returns:
            Whether the pipeline was changed by someone else before the status was written. The response has that
            change, so its watch event will be no news: it must be reconciled now.

        Raises:
            ApiError: the API server rejected a write or did not respond.
            NotLeadingError: another replica may be the leader.
        """
        pipeline = self._store.pipeline(key)
        if pipeline is None:
            return False
        try:
            await self._status(key, pipeline, plan)
        except ApiError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            self._store.forget(kinds.PIPELINE, key.namespace, key.name, pipeline["metadata"]["uid"])
            return False
        self._forget_events(key, now)
        for event in plan.events:
            await self._event(key, pipeline, event, now)
        return _changed(pipeline, self._store.pipeline(key))

    def forget(self, key: Key) -> None:
        """Forget a pipeline."""
        self._written.pop(key, None)
        self._recorded.pop(key, None)

    async def _status(self, key: Key, pipeline: Object, plan: Plan) -> None:
        live = pipeline.get("status") or {}
        if plan.status == live:
            return
        wanted = _hash(plan.status)
        before = self._written.get(key)
        if before and before[0] == wanted and before[1] == _hash(live):
            return  # the CRD in the cluster is older and drops a field: writing it again would change nothing
        await self._recorder.status(pipeline, plan.status)
        after = (self._store.pipeline(key) or {}).get("status") or {}
        self._written[key] = (wanted, _hash(after))

    def _forget_events(self, key: Key, now: datetime) -> None:
        """Forget the Events that may be recorded again."""
        recorded = self._recorded.pop(key, {}).items()
        if recent := {event: at for event, at in recorded if 0 <= now.timestamp() - at <= _EVENT_DEDUP_S}:
            self._recorded[key] = recent

    async def _event(self, key: Key, pipeline: Object, event: Event, now: datetime) -> None:
        recorded = self._recorded[key]
        if event not in recorded:
            await self._recorder.event(pipeline, event, now)
            recorded[event] = now.timestamp()


def _changed(before: Object, after: Object | None) -> bool:
    """Return whether a pipeline differs in anything but its status."""
    return after is not None and _without_status(before) != _without_status(after)


def _hash(status: Object) -> bytes:
    return sha256(json.dumps(status, sort_keys=True).encode()).digest()


def _without_status(pipeline: Object) -> Json:
    metadata = {name: value for name, value in pipeline["metadata"].items() if name != "resourceVersion"}
    return {"metadata": metadata, "spec": pipeline.get("spec")}
