"""All that the reconciler writes to the API server. Each write is allowed by time, counted, logged with its reason.

What comes back goes into the store at once, so that the operator never acts on a state from before its own write.
"""

from __future__ import annotations

from hashlib import sha256
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from speechoperator.api import kinds
from speechoperator.api.names import MODELS_READY
from speechoperator.errors import NotLeadingError
from speechoperator.kube.client import APPLY, MANAGER, MERGE, STRATEGIC, Cluster, Json
from speechoperator.kube.errors import ApiError
from speechoperator.kube.kinds import EVENT, POD
from speechoperator.kube.objects import format_time
from speechoperator.plan.snapshot import NAME_CONFLICT
from speechoperator.telemetry import logs

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from speechoperator.kube.kinds import Kind
    from speechoperator.kube.objects import Object
    from speechoperator.plan.actions import Apply, Delete, Event, SetGate
    from speechoperator.telemetry.metrics import Metrics
    from speechoperator.watch.store import Store


class Writes:
    """Writes on behalf of the reconciler.

    Args:
        cluster: The API.
        store: Takes in what comes back.
        metrics: Where writes are counted.
        time_left: Seconds for which this replica may still write; none are left when another may lead.
        instance: The name of this replica, for Events.
    """

    def __init__(
        self, cluster: Cluster, store: Store, metrics: Metrics, time_left: Callable[[], float], instance: str
    ) -> None:
        self._cluster = cluster
        self._store = store
        self._metrics = metrics
        self._time_left = time_left
        self._instance = instance

    async def apply(self, action: Apply) -> Json:
        """Server-side apply of an object; what it is then. A field of ours that another set is set back.

        Raises:
            ApiError: it was refused; with the reason `NAME_CONFLICT` where somebody else's object has this name.
        """
        kind, missing = kinds.BY_NAME[action.object["kind"]], action.creates
        found = await (self._make if missing else self._set_right)(kind, action.object)
        why = "missing" if missing else "changed"
        self._wrote(kind.name, "apply", why, found["metadata"]["name"], action.reason)
        self._store.put(dict(found))
        return found

    async def _make(self, kind: Kind, wanted: Object) -> Json:
        """Apply an object that is not among ours, without force: one of this name may be somebody else's.

        It may be ours all the same, when somebody took our label away.
        """
        try:
            return await self._apply(kind, wanted, force=False)
        except ApiError as error:
            if error.status != HTTPStatus.CONFLICT:
                raise
            meta = wanted["metadata"]
            namesakes, _ = await self._cluster.list(kind, meta["namespace"], fields=f"metadata.name={meta['name']}")
            if not namesakes:
                raise
            if not _owners(namesakes[0]) & _owners(wanted):
                said = f"another of this name is there, which this pipeline did not make: {error.message}"
                raise ApiError(error.request, error.status, NAME_CONFLICT, said) from error
        return await self._apply(kind, wanted)

    async def _set_right(self, kind: Kind, wanted: Object) -> Json:
        """Apply an object of ours.

        Of a list with merge keys it takes back no item that another made of ours: a port that was given another number
        stays beside the one we want, and their names collide. Then the lists are replaced before.
        """
        try:
            return await self._apply(kind, wanted)
        except ApiError as error:
            if error.status != HTTPStatus.UNPROCESSABLE_ENTITY or "spec" not in wanted:
                raise
        await self._patch(kind, wanted, {"spec": wanted["spec"]}, MERGE, {"fieldManager": MANAGER})
        return await self._apply(kind, wanted)

    async def _apply(self, kind: Kind, wanted: Object, *, force: bool = True) -> Json:
        """Apply; unknown fields are refused rather than dropped, for a dropped one would be missing for ever."""
        query = {"fieldManager": MANAGER, "force": str(force).lower(), "fieldValidation": "Strict"}
        return await self._patch(kind, wanted, dict(wanted), APPLY, query)

    async def _patch(self, kind: Kind, thing: Object, body: Json, content_type: str, query: dict[str, str]) -> Json:
        meta = thing["metadata"]
        return await self._cluster.call(
            "patch",
            kind,
            meta["namespace"],
            meta["name"],
            body=body,
            content_type=content_type,
            query=query,
            within=self._allowed(),
        )

    async def delete(self, namespace: str, action: Delete) -> None:
        """Delete an object as it was seen: not one that somebody made or changed since. One that is gone is fine."""
        kind = kinds.BY_NAME[action.ref.kind]
        seen = {"uid": action.uid, "resourceVersion": self._store.version(kind, namespace, action.ref.name)}
        preconditions = {name: value for name, value in seen.items() if value}
        body: Json = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Background",
            "preconditions": preconditions,
        }
        try:
            await self._cluster.call("delete", kind, namespace, action.ref.name, body=body, within=self._allowed())
        except ApiError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            self._store.lost(kind, namespace, action.ref.name, action.uid)
            return
        self._wrote(kind.name, "delete", "pruned", action.ref.name, action.reason)

    async def status(self, pipeline: Object, status: Json) -> None:
        """Set a pipeline's status; fields that are left out go, where they were ours."""
        kind, meta = kinds.PIPELINE, pipeline["metadata"]
        found = await self._cluster.call(
            "patch",
            kind,
            meta["namespace"],
            meta["name"],
            sub="status",
            body={
                "apiVersion": kind.api_version,
                "kind": kind.name,
                "metadata": {"name": meta["name"], "namespace": meta["namespace"], "uid": meta["uid"]},
                "status": status,
            },
            content_type=APPLY,
            query={"fieldManager": MANAGER, "force": "true"},
            within=self._allowed(),
        )
        self._wrote(kind.name, "apply", "status", meta["name"], "what it tells changed")
        self._store.put(dict(found))

    async def gate(self, namespace: str, action: SetGate, now: datetime) -> None:
        """Set the readiness gate of a pod."""
        condition = {
            "type": MODELS_READY,
            "status": str(action.ready),
            "reason": action.reason,
            "message": action.message,
            "lastTransitionTime": format_time(now),
        }
        meta = {"uid": action.uid} if action.uid else {}
        found = await self._cluster.call(
            "patch",
            POD,
            namespace,
            action.pod,
            sub="status",
            body={"metadata": meta, "status": {"conditions": [condition]}},
            content_type=STRATEGIC,
            query={"fieldManager": MANAGER},
            within=self._allowed(),
        )
        self._wrote("Pod", "patch", "gate", action.pod, f"{action.reason}: {action.message}")
        self._store.put(dict(found))

    async def event(self, pipeline: Object, event: Event, now: datetime) -> None:
        """Record an Event on a pipeline. One of this name that is there already says the same."""
        meta = pipeline["metadata"]
        about = {
            "apiVersion": kinds.PIPELINE.api_version,
            "kind": kinds.PIPELINE.name,
            "namespace": meta["namespace"],
            "name": meta["name"],
            "uid": meta["uid"],
        }
        text = f"{meta['uid']} {event.reason} {event.message} {now:%Y%m%d%H%M}"
        body: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {
                "name": f"{meta['name']}.{sha256(text.encode()).hexdigest()[:16]}",
                "namespace": meta["namespace"],
            },
            "involvedObject": about,
            "type": event.type,
            "reason": event.reason,
            "message": event.message,
            "count": 1,
            "firstTimestamp": format_time(now),
            "lastTimestamp": format_time(now),
            "source": {"component": MANAGER},
            "reportingComponent": MANAGER,
            "reportingInstance": self._instance,
        }
        try:
            await self._cluster.call("create", EVENT, meta["namespace"], body=body, within=self._allowed())
        except ApiError as error:
            if error.status != HTTPStatus.CONFLICT:
                raise
            return
        self._wrote("Event", "create", "event", meta["name"], f"{event.reason}: {event.message}")

    def _allowed(self) -> float:
        seconds = self._time_left()
        if seconds <= 0:
            raise NotLeadingError("another replica may lead by now")
        return seconds

    def _wrote(self, kind: str, verb: str, why: str, name: str, reason: str) -> None:
        self._metrics.writes.labels(kind, verb, why).inc()
        logs.info("wrote", kind=kind, name=name, verb=verb, reason=reason)


def _owners(thing: Object) -> set[str]:
    """Return the uids of an object's owners; a claim that outlives its pipeline has none."""
    return {owner["uid"] for owner in thing["metadata"].get("ownerReferences") or ()}
