"""The only way to write on behalf of a pipeline. Every write is fenced by the Lease, counted and logged.

The response goes into the cache at once, so that the operator never acts on a state older than its own writes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from speechoperator.errors import NotLeadingError
from speechoperator.kube.client import APPLY, JSON, MERGE, STRATEGIC
from speechoperator.kube.kinds import REPLICA_SET
from speechoperator.kube.rate_limit import Priority
from speechoperator.settings import OPERATOR
from speechoperator.telemetry import logs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from speechoperator.kube.kinds import Kind
    from speechoperator.kube.objects import Json
    from speechoperator.kube.rate_limit import RateLimit
    from speechoperator.kube.unfenced_client import UnfencedClient
    from speechoperator.telemetry.metrics import Metrics

Verb: TypeAlias = Literal["apply", "merge", "strategic", "create", "delete"]
"""How an object is written: by server-side apply, by a patch of one of two kinds, or as a whole."""

_PATCHES = {"apply": APPLY, "merge": MERGE, "strategic": STRATEGIC}

Why: TypeAlias = Literal[
    "missing", "changed", "scaled", "resumed", "cost", "models", "orphaned", "pruned", "status", "event"
]
"""The cause of a write, for the metrics; the log has the full reason."""


class Cache(Protocol):
    """Takes in the objects that the API server returns."""

    def put(self, body: Json) -> object:
        """Keep an object, unless a newer state of it is known. The body may be changed."""


class FencedClient:
    """Writes while this replica is the leader. Not thread-safe.

    Args:
        client: What sends the requests.
        cache: Receives the objects as they are after a write.
        metrics: Where writes are counted.
        time_left: Returns the seconds for which this replica may still write; 0 once another may be the leader.
        limit: Limits the rate of writes.
    """

    def __init__(
        self,
        client: UnfencedClient,
        cache: Cache,
        metrics: Metrics,
        time_left: Callable[[], float],
        limit: RateLimit,
    ) -> None:
        self._client = client
        self._cache = cache
        self._metrics = metrics
        self._time_left = time_left
        self._limit = limit

    async def write(
        self,
        verb: Verb,
        kind: Kind,
        namespace: str,
        name: str,
        body: Json,
        *,
        why: Why,
        reason: str,
        subresource: str = "",
        query: Mapping[str, str] | None = None,
    ) -> Json:
        """Write one object; return the response.

        Args:
            verb: How it is written.
            kind: Its kind.
            namespace: Its namespace.
            name: Its name.
            body: The request's JSON.
            why: The cause.
            reason: The reason, for people: "spec.replicas is 3, wanted 2".
            subresource: "status", or "" for the object itself.
            query: Further query parameters.

        Raises:
            NotLeadingError: another replica may be the leader; nothing was sent.
            ApiError: the API server rejected the request or did not respond.
        """
        await self._limit.wait(Priority.STATUS if subresource == "status" or why == "scaled" else Priority.NORMAL)
        seconds = self._time_left()  # after the wait, during which the Lease may have been lost
        if seconds <= 0:
            raise NotLeadingError("another replica may be the leader by now")
        found = await self._client.write(
            verb if verb in {"create", "delete"} else "patch",
            kind,
            namespace,
            "" if verb == "create" else name,
            subresource=subresource,
            body=body,
            content_type=_PATCHES.get(verb, JSON),
            query={**({"fieldManager": OPERATOR} if verb in _PATCHES else {}), **(query or {})},
            within_s=seconds,
        )
        self._metrics.writes.labels(kind.name, verb, why).inc()
        logs.info("wrote", kind=kind.name, name=name, verb=verb, reason=reason)
        if verb != "delete" and kind != REPLICA_SET:  # nothing watches these: the cache would keep them forever
            self._cache.put(dict(found))
        return found
