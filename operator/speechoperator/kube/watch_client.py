"""A client that also watches. Watches do not count against the limit of the rate of requests."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import aiohttp
from pydantic_core import from_json

from speechoperator.kube.client import KubeClient, describe, parse
from speechoperator.kube.errors import ApiError, Request, api_error
from speechoperator.telemetry import logs

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from speechoperator.kube.kinds import Kind
    from speechoperator.kube.objects import Json

_WATCH_S, _WATCH_SILENCE_S = 300, 90.0
"""Seconds after which the API server ends a watch, and seconds without a byte after which it counts as dead; a bookmark
comes every minute or so."""


class WatchClient(KubeClient):
    """Reads from the API server, and watches. Not thread-safe; use it as an async context manager."""

    async def watch(
        self, kind: Kind, namespace: str = "", *, fields: str, version: str
    ) -> AsyncGenerator[tuple[str, Json], None]:
        """Yield the changes of objects since a resourceVersion: ("ADDED", object); a "BOOKMARK" has a version only.

        The iteration ends when the API server ends it, after some minutes, or when the connection is lost.

        Args:
            kind: The kind.
            namespace: A namespace; "" for the whole cluster.
            fields: A field selector, evaluated by the server.
            version: The resourceVersion.

        Raises:
            ApiError: the API server rejected the request or did not respond; the status is 410 if the version is too
                old.
        """
        request = Request("watch", kind.resource, namespace)
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(_WATCH_S),
            "fieldSelector": fields,
            "resourceVersion": version,
        }
        url = f"{self.configuration.host}{kind.path(namespace)}?{urlencode(query)}"
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=self.timeout_s, sock_read=_WATCH_SILENCE_S)
        try:
            response = await self._client.rest_client.request(
                "GET", url, await self._headers(), _request_timeout=timeout
            )
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise ApiError(request, 0, "", f"the API server did not respond: {describe(error)}") from error
        try:
            if response.status >= HTTPStatus.BAD_REQUEST:
                raise api_error(request, response.status, parse(await response.read()))
            self._count(request, response.status)
            async for line in response.response.content:
                found = from_json(line)
                if found["type"] == "ERROR":
                    raise api_error(request, int(found["object"].get("code") or 0), found["object"])
                yield found["type"], found["object"]
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            logs.debug("watch was interrupted", kind=kind.name, reason=describe(error))
        finally:
            response.response.close()
