"""A client of the Kubernetes API that reads; objects are plain JSON.

`kubernetes.aio` provides what is hard to get right: credentials with their plugins, TLS, proxies and connections.
"""

from __future__ import annotations

import asyncio
import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Self, TypeAlias
from urllib.parse import urlencode

import aiohttp
from kubernetes.aio.client import ApiClient

from speechcli.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from speechcli.kube.configuration import ClusterAccess
    from speechcli.kube.resources import Resource

Json: TypeAlias = dict[str, Any]

ANONYMOUS = "system:anonymous"
"""The user of requests without credentials."""
_TIMEOUT_S = 20.0
_PAGE_ITEMS = 500
_MAX_TEXT_CHARS = 500
_WATCH_S, _WATCH_SILENCE_S = 300, 90.0
"""Seconds after which the API server ends a watch, and seconds without a byte after which it counts as dead; a bookmark
comes every minute or so."""


class ApiError(ClusterError):
    """The API server rejected a request (`status` is the HTTP status), or did not respond (`status` is 0)."""

    def __init__(self, status: int, message: str, advice: str = "") -> None:
        passes = status in {0, HTTPStatus.TOO_MANY_REQUESTS} or status >= HTTPStatus.INTERNAL_SERVER_ERROR
        super().__init__(message, advice, transient=passes)
        self.status = status


class KubeClient:
    """Reads from the API server; an async context manager."""

    def __init__(self, access: ClusterAccess) -> None:
        self.namespace = access.namespace
        self._access = access
        self._client = ApiClient(access.configuration)
        self._replaced: list[ApiClient] = []
        self._renewing = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for client in (self._client, *self._replaced):
            await client.close()

    async def get(self, path: str) -> Json:
        """Return what a path of the API has; raise ApiError if the server does not give it."""
        return await self._request("GET", path)

    async def post(self, path: str, body: Json) -> Json:
        """Post an object that is answered and not stored, such as an access review; raise ApiError on failure."""
        return await self._request("POST", path, body)

    async def list(self, resource: Resource, namespace: str = "", *, labels: str = "", fields: str = "") -> list[Json]:
        """Return the objects of a kind in a namespace, or in the whole cluster, that match the selectors.

        Raises:
            ApiError: the API server rejected the request or did not respond.
        """
        query = {"limit": f"{_PAGE_ITEMS}", "labelSelector": labels, "fieldSelector": fields}
        items: list[Json] = []
        while True:
            page = await self._request("GET", f"{resource.path(namespace)}?{_query(query)}")
            items += page.get("items") or []
            following = (page.get("metadata") or {}).get("continue")
            if not following:
                return items
            query["continue"] = following

    async def watch(self, resource: Resource, namespace: str, name: str = "") -> AsyncGenerator[tuple[str, Json]]:
        """Yield each object as it is now and after each change, with ADDED, MODIFIED or DELETED.

        It ends when the API server ends it, after some minutes, or when the connection is lost.

        Raises:
            ApiError: the API server rejected the request or did not respond.
        """
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "timeoutSeconds": f"{_WATCH_S}",
            "fieldSelector": f"metadata.name={name}" if name else "",
        }
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_TIMEOUT_S, sock_read=_WATCH_SILENCE_S)
        url = f"{resource.path(namespace)}?{_query(query)}"
        response = await self._send("GET", url, None, timeout)
        try:
            if response.status >= HTTPStatus.BAD_REQUEST:
                raise _error(response.status, await response.read())
            async for line in response.response.content:
                event = json.loads(line)
                if event["type"] == "ERROR":  # the version is too old: the next watch begins from the current state
                    return
                if event["type"] != "BOOKMARK":
                    yield event["type"], event["object"]
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
            return
        finally:
            response.response.close()

    async def _request(self, method: str, path: str, body: Json | None = None) -> Json:
        response = await self._send(method, path, body, aiohttp.ClientTimeout(total=_TIMEOUT_S))
        try:
            text = await response.read()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise self._unreachable(error) from error
        if response.status >= HTTPStatus.BAD_REQUEST:
            raise _error(response.status, text)
        found = _parsed(text)
        if not isinstance(found, dict):
            raise ApiError(response.status, f"the response of {self._access.configuration.host} is not an API server's")
        return found

    async def _send(self, method: str, path: str, body: Json | None, limit: aiohttp.ClientTimeout) -> Any:
        """Send a request; once more with fresh credentials if they have expired since they were loaded."""
        used = self._client
        response = await self._send_once(used, method, path, body, limit)
        if response.status == HTTPStatus.UNAUTHORIZED and await self._renew(used):
            response.response.close()
            return await self._send_once(self._client, method, path, body, limit)
        return response

    async def _send_once(
        self, client: ApiClient, method: str, path: str, body: Json | None, limit: aiohttp.ClientTimeout
    ) -> Any:
        configuration = client.configuration
        headers = {"Content-Type": "application/json", "Accept": "application/json", "User-Agent": "kubectl-speech"}
        token = await configuration.get_api_key_with_prefix("BearerToken", alias="authorization")
        if token:
            headers["Authorization"] = token
        elif basic := configuration.get_basic_auth_token():
            headers["Authorization"] = basic
        url = f"{configuration.host}{path}"
        try:
            return await client.rest_client.request(method, url, headers, body, _request_timeout=limit)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise self._unreachable(error) from error

    async def _renew(self, used: ApiClient) -> bool:
        """Replace the client that was used by one with fresh credentials; return whether they differ."""
        async with self._renewing:
            if self._client is not used:  # another request has renewed them
                return True
            access = await self._access.renew()
            if _credentials(access) == _credentials(self._access):
                return False
            self._access = access
            self._replaced.append(used)  # other requests may still use it
            self._client = ApiClient(access.configuration)
            return True

    def _unreachable(self, error: BaseException) -> ApiError:
        why = str(error) or "timed out"
        return ApiError(
            0,
            f"the API server {self._access.configuration.host} does not respond: {why}",
            "check `kubectl cluster-info`, and the context: `kubectl config current-context`",
        )


def _credentials(access: ClusterAccess) -> tuple[Any, ...]:
    configuration = access.configuration
    return dict(configuration.api_key), configuration.cert_file, configuration.key_file


def _query(query: Mapping[str, str]) -> str:
    return urlencode({name: value for name, value in query.items() if value})


def _error(status: int, text: bytes) -> ApiError:
    found = _parsed(text)
    message = found.get("message", "") if isinstance(found, dict) else str(found)
    advice = ""
    if status == HTTPStatus.UNAUTHORIZED:
        message = message if message and message != "Unauthorized" else "the API server rejects the credentials"
        advice = "log in again, or choose another context with --context"
    elif status == HTTPStatus.FORBIDDEN and ANONYMOUS in message:
        advice = "the cluster does not know you: log in again, or choose another context with --context"
    elif status == HTTPStatus.FORBIDDEN:
        advice = "ask the cluster's administrator for this permission"
    return ApiError(status, message or f"the API server responded with {status}", advice)


def _parsed(text: bytes) -> Any:
    """Return a body as JSON, or its beginning as text."""
    try:
        return json.loads(text)
    except ValueError:  # from a proxy, or from a server that is starting
        return text.decode(errors="replace")[:_MAX_TEXT_CHARS]
