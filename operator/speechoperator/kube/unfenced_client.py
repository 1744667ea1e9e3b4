"""Writes that do not depend on the Lease: the Lease itself, and the CRD that `crd --apply` installs.

Everything else is written through `fenced_client`. import-linter enforces it: this module has four importers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from speechoperator.kube.client import JSON
from speechoperator.kube.kinds import LEASE
from speechoperator.kube.watch_client import WatchClient

if TYPE_CHECKING:
    from collections.abc import Mapping

    from speechoperator.kube.kinds import Kind
    from speechoperator.kube.objects import Json

WriteVerb: TypeAlias = Literal["create", "update", "patch", "delete"]


class UnfencedClient(WatchClient):
    """A client that writes whether or not this replica is the leader."""

    async def write(
        self,
        verb: WriteVerb,
        kind: Kind,
        namespace: str = "",
        name: str = "",
        *,
        subresource: str = "",
        body: Json,
        content_type: str = JSON,
        query: Mapping[str, str] | None = None,
        within_s: float | None = None,
    ) -> Json:
        """Send one write; return the response. The rate is limited by who calls, except for the Lease.

        Args:
            verb: The verb, as RBAC names it.
            kind: The object's kind.
            namespace: Its namespace; "" for a cluster-scoped object.
            name: Its name; "" to create one.
            subresource: "status", or "" for the object itself.
            body: The request's JSON.
            content_type: Its media type, which tells the server the kind of patch.
            query: Further query parameters.
            within_s: A shorter timeout than usual, in seconds; the server observes it as well.

        Raises:
            ApiError: the API server rejected the request or did not respond.
        """
        if kind is LEASE:
            await self._turn(kind)
        return await self._request(
            verb,
            kind,
            namespace,
            name,
            subresource=subresource,
            body=body,
            content_type=content_type,
            query=query,
            within_s=within_s,
        )
