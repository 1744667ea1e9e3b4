"""A client of the Kubernetes API that reads; objects are plain JSON.

`kubernetes.aio` provides the parts that are hard to get right: configuration, TLS, proxies and connections. Its
generated models would cost memory and time per object and drop fields that are newer than they are.

Writes are separate: `fenced_client` for the reconciler, `unfenced_client` for what must not depend on the Lease.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Self, TypeAlias
from urllib.parse import urlencode

import aiohttp
from kubernetes.aio import config
from kubernetes.aio.client import ApiClient
from pydantic_core import from_json

from speechoperator.errors import encodable
from speechoperator.kube.configuration import load_kubeconfig
from speechoperator.kube.errors import ApiError, Request, api_error
from speechoperator.kube.kinds import LEASE
from speechoperator.kube.rate_limit import Priority
from speechoperator.settings import OPERATOR

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from kubernetes.aio.client import Configuration

    from speechoperator.kube.kinds import Kind
    from speechoperator.kube.objects import Json
    from speechoperator.kube.rate_limit import RateLimit
    from speechoperator.telemetry.metrics import Metrics

JSON = "application/json"
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
_METHODS = {"get": "GET", "list": "GET", "create": "POST", "update": "PUT", "patch": "PATCH", "delete": "DELETE"}
Page: TypeAlias = "list[Json]"
"""The objects of one page of a list."""
_PAGE_ITEMS = 250
_MAX_TEXT_CHARS = 500


class KubeClient:
    """Reads from the API server. Not thread-safe; use it as an async context manager.

    Args:
        configuration: How to reach the API server.
        timeout_s: Seconds a request may take.
        metrics: Where requests are counted.
        limit: Limits the rate of requests, except those of watches; None for no limit.
    """

    def __init__(
        self, configuration: Configuration, timeout_s: float, metrics: Metrics, limit: RateLimit | None = None
    ) -> None:
        self.configuration = configuration
        self.recovered = asyncio.Event()
        """Set when the API server responds again after an outage; the waiter clears it."""
        self._client = ApiClient(configuration)
        self.timeout_s = timeout_s
        self._metrics = metrics
        self._limit = limit
        self._unreachable = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()

    async def authorization(self) -> str:
        """Return the value of the `Authorization` header, "" with client certificates. Tokens rotate: keep none."""
        return await self.configuration.get_api_key_with_prefix("BearerToken", alias="authorization") or ""

    async def get(self, kind: Kind, namespace: str = "", name: str = "", *, within_s: float | None = None) -> Json:
        """Return an object.

        Args:
            kind: Its kind.
            namespace: Its namespace; "" for a cluster-scoped object.
            name: Its name.
            within_s: A shorter timeout than usual, in seconds.

        Raises:
            ApiError: the API server rejected the request or did not respond.
        """
        await self._turn(kind)
        return await self._request("get", kind, namespace, name, within_s=within_s)

    async def list(
        self, kind: Kind, namespace: str = "", *, labels: str = "", fields: str = "", any_version: bool = False
    ) -> tuple[list[Json], str]:
        """Return all objects of a kind, and the resourceVersion of the list.

        Args:
            kind: The kind.
            namespace: A namespace; "" for the whole cluster.
            labels: A label selector, evaluated by the server.
            fields: A field selector, likewise.
            any_version: Whether an outdated list of the API server's cache will do. It comes as one page.

        Raises:
            ApiError: the API server rejected the request or did not respond.
        """
        if any_version:
            await self._turn(kind)
            whole = await self._request("list", kind, namespace, query={"resourceVersion": "0"})
            return whole.get("items") or [], (whole.get("metadata") or {}).get("resourceVersion", "")
        items: list[Json] = []
        version = ""
        async with aclosing(self.pages(kind, namespace, labels=labels, fields=fields)) as pages:
            async for page, version in pages:  # noqa: B007 - the version of the last page
                items += page
        return items, version

    async def pages(
        self, kind: Kind, namespace: str = "", *, labels: str = "", fields: str = "", page_items: int = _PAGE_ITEMS
    ) -> AsyncGenerator[tuple[Page, str], None]:
        """Yield all objects of a kind page by page, each with the resourceVersion of the list.

        A list in pages takes no `resourceVersion=0`: the API server would ignore the limit and send everything at once.

        Args:
            kind: The kind.
            namespace: A namespace; "" for the whole cluster.
            labels: A label selector, evaluated by the server.
            fields: A field selector, likewise.
            page_items: Objects per page; 0 for a single page with all of them.

        Raises:
            ApiError: the API server rejected the request or did not respond. The status is 410 if the list took longer
                than the API server keeps old states; then it has to be restarted.
        """
        query = {"limit": str(page_items or ""), "labelSelector": labels, "fieldSelector": fields}
        query = {name: value for name, value in query.items() if value}
        while True:
            await self._turn(kind)
            page = await self._request("list", kind, namespace, query=query)
            items, meta = page.get("items") or [], page.get("metadata") or {}
            version = meta.get("resourceVersion", "")
            if not version:  # from a proxy: to take it for an empty list would delete everything
                request = Request("list", kind.resource, namespace)
                raise ApiError(request, 0, "", "the response is not a list of the API server")
            yield items, version
            if not meta.get("continue"):
                return
            query["continue"] = meta["continue"]
            del page, items  # only one page is in memory at a time

    async def _turn(self, kind: Kind) -> None:
        """Wait until a request may be sent; one about the Lease may be sent at once."""
        if self._limit:
            await self._limit.wait(Priority.LEASE if kind is LEASE else Priority.NORMAL)

    async def _request(
        self,
        verb: str,
        kind: Kind,
        namespace: str = "",
        name: str = "",
        *,
        subresource: str = "",
        body: Json | None = None,
        content_type: str = JSON,
        query: Mapping[str, str] | None = None,
        within_s: float | None = None,
    ) -> Json:
        resource = f"{kind.plural}/{subresource}" + (f".{kind.group}" if kind.group else "")
        request = Request(verb, resource if subresource else kind.resource, namespace, name)
        seconds = min(self.timeout_s, within_s or self.timeout_s)
        parameters = {**(query or {}), "timeout": f"{max(1, int(seconds))}s"}
        path = f"{kind.path(namespace, name, subresource)}?{urlencode(parameters)}"
        try:
            status, text, retry_after = await self._send(_METHODS[verb], path, body, content_type, seconds)
        except (aiohttp.ClientError, OSError, TimeoutError, config.ConfigException) as error:
            self._unreachable = True
            self._count(request, 0)
            raise ApiError(request, 0, "", f"the API server did not respond: {describe(error)}") from error
        self._count(request, status)
        self._reached()
        found = parse(text)
        if status >= HTTPStatus.BAD_REQUEST:
            if status == HTTPStatus.UNAUTHORIZED:
                await self._refresh_credentials()
            raise api_error(request, status, found, retry_after)
        return found if isinstance(found, dict) else {}

    async def _send(
        self, method: str, path: str, body: Json | None, content_type: str, seconds: float
    ) -> tuple[int, bytes, str | None]:
        timeout = aiohttp.ClientTimeout(total=seconds)
        url, headers = f"{self.configuration.host}{path}", await self._headers(content_type)
        response = await self._client.rest_client.request(method, url, headers, body, _request_timeout=timeout)
        return response.status, await response.read(), response.headers.get("Retry-After")

    async def _headers(self, content_type: str = JSON) -> dict[str, str]:
        headers = {"Content-Type": content_type, "Accept": JSON, "User-Agent": OPERATOR}
        if authorization := await self.authorization():
            headers["Authorization"] = authorization
        return headers

    async def _refresh_credentials(self) -> None:
        """Reload the kubeconfig: its plugin gives a fresh token. A service account's token is always read from disk."""
        if self.configuration.refresh_api_key_hook is None:
            await load_kubeconfig(self.configuration)

    def _reached(self) -> None:
        if self._unreachable:
            self._unreachable = False
            self.recovered.set()

    def _count(self, request: Request, status: int) -> None:
        self._metrics.api_requests.labels(request.verb, request.resource, str(status or "none")).inc()


def parse(text: bytes) -> Any:
    """Return a body as JSON, or its beginning as text."""
    try:
        return from_json(text)
    except ValueError:  # from a proxy, or from a server that is starting
        return text.decode(errors="replace")[:_MAX_TEXT_CHARS]


def describe(error: BaseException) -> str:
    """Return an error as text; a timeout has none of its own."""
    return encodable(str(error)) or {"TimeoutError": "timed out"}.get(type(error).__name__, type(error).__name__)
