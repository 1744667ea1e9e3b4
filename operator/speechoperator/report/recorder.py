"""Writes the status of a pipeline and its Events."""

from __future__ import annotations

from hashlib import sha256
from http import HTTPStatus
from typing import TYPE_CHECKING

from speechoperator.api import kinds
from speechoperator.kube.errors import ApiError
from speechoperator.kube.kinds import EVENT
from speechoperator.kube.objects import format_time
from speechoperator.settings import OPERATOR

if TYPE_CHECKING:
    from datetime import datetime

    from speechoperator.kube.fenced_client import FencedClient
    from speechoperator.kube.objects import Json, Object
    from speechoperator.plan.actions import Event


class Recorder:
    """Records what the reporter decides to report.

    Args:
        client: What writes.
        instance: The name of this replica, for Events.
    """

    def __init__(self, client: FencedClient, instance: str) -> None:
        self._client = client
        self._instance = instance

    async def status(self, pipeline: Object, status: Json) -> None:
        """Server-side apply of a pipeline's status; fields that are left out are removed, if they were ours.

        Raises:
            ApiError: the write was rejected.
        """
        kind, meta = kinds.PIPELINE, pipeline["metadata"]
        body: Json = {
            "apiVersion": kind.api_version,
            "kind": kind.name,
            "metadata": {"name": meta["name"], "namespace": meta["namespace"], "uid": meta["uid"]},
            "status": status,
        }
        await self._client.write(
            "apply",
            kind,
            meta["namespace"],
            meta["name"],
            body,
            why="status",
            reason="status changed",
            subresource="status",
            query={"force": "true"},
        )

    async def event(self, pipeline: Object, event: Event, now: datetime) -> None:
        """Record an Event on a pipeline. If one of its name exists, it has the same content.

        Raises:
            ApiError: the write was rejected.
        """
        meta = pipeline["metadata"]
        text = f"{meta['uid']} {event.reason} {event.message} {now:%Y%m%d%H%M}"
        name = f"{meta['name']}.{sha256(text.encode()).hexdigest()[:16]}"
        body: Json = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": meta["namespace"]},
            "involvedObject": {
                "apiVersion": kinds.PIPELINE.api_version,
                "kind": kinds.PIPELINE.name,
                "namespace": meta["namespace"],
                "name": meta["name"],
                "uid": meta["uid"],
            },
            "type": event.type,
            "reason": event.reason,
            "message": event.message,
            "count": 1,
            "firstTimestamp": format_time(now),
            "lastTimestamp": format_time(now),
            "source": {"component": OPERATOR},
            "reportingComponent": OPERATOR,
            "reportingInstance": self._instance,
        }
        try:
            await self._client.write(
                "create",
                EVENT,
                meta["namespace"],
                name,
                body,
                why="event",
                reason=f"{event.reason}: {event.message}",
            )
        except ApiError as error:
            if error.status != HTTPStatus.CONFLICT:
                raise
