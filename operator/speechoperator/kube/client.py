"""The API of Kubernetes: all that is read from it and written to it goes through here, as JSON.

Of `kubernetes.aio` this takes what is hard to get right: the configuration (service account with its rotating token,
kubeconfig with its plugins), TLS, proxies and connections. Its generated models would cost memory and time per object
and lose fields that are newer than they are.
"""

from __future__ import annotations

import asyncio
import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Self, TypeAlias
from urllib.parse import urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from kubernetes.aio import config
from kubernetes.aio.client import ApiClient, Configuration

from speechoperator.errors import OperatorError
from speechoperator.kube.errors import ApiError, Request, api_error

if TYPE_CHECKING:
    from collections.abc import Mapping

    from speechoperator.kube.kinds import Kind
    from speechoperator.telemetry.metrics import Metrics

JSON = "application/json"
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
MANAGER = "speechpipeline-operator"

Json: TypeAlias = dict[str, Any]

_METHODS = {"get": "GET", "list": "GET", "create": "POST", "update": "PUT", "patch": "PATCH", "delete": "DELETE"}
_CHUNK = 250


class NoClusterError(OperatorError):
    """There is neither a service account nor a usable kubeconfig."""

    code = "no_cluster"


async def configuration() -> Configuration:
    """Return how to reach the API: in a cluster by the service account, else by the kubeconfig.

    Raises:
        NoClusterError: neither is there.
    """
    found = Configuration()
    try:
        config.load_incluster_config(client_configuration=found)
    except config.ConfigException:
        await _from_kubeconfig(found)
    found.proxy = found.proxy or _proxy_for(found.host)
    # Else aiohttp would look for a proxy, and read ~/.netrc in a thread, for every single request.
    found.client_session_kwargs = {"trust_env": False}
    return found


def _proxy_for(address: str) -> str | None:
    """Return the proxy that the environment names for an address, as `kubectl` would take it."""
    parts = urlsplit(address)
    return None if proxy_bypass(parts.hostname or "") else getproxies().get(parts.scheme)


async def _from_kubeconfig(found: Configuration) -> None:
    try:
        await config.load_kube_config(client_configuration=found)
    except (config.ConfigException, OSError, TypeError) as error:
        raise NoClusterError(f"not in a cluster, and no kubeconfig that can be used: {error}") from error


class Cluster:
    """A client of the API. Use within one event loop; `close` it.

    Args:
        access: How to reach it.
        timeout: Seconds that a request may take.
        metrics: Where requests are counted.
    """

    def __init__(self, access: Configuration, timeout: float, metrics: Metrics) -> None:
        self.access = access
        self.came_back = asyncio.Event()
        """Set when it answers again after it did not; whoever waits for it clears it."""
        self._client = ApiClient(access)
        self._timeout = timeout
        self._metrics = metrics
        self._away = False

    async def __aenter__(self) -> Self:
        """Return itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close all connections."""
        await self._client.close()

    async def authorization(self) -> str:
        """Return the value of the `Authorization` header, "" where certificates do it. Tokens rotate: ask anew."""
        return await self.access.get_api_key_with_prefix("BearerToken", alias="authorization") or ""

    async def call(
        self,
        verb: str,
        kind: Kind,
        namespace: str = "",
        name: str = "",
        *,
        sub: str = "",
        body: Json | None = None,
        content_type: str = JSON,
        query: Mapping[str, str] | None = None,
        within: float | None = None,
    ) -> Json:
        """Ask one thing; return the answer.

        Args:
            verb: "get", "list", "create", "update", "patch" or "delete".
            kind: Of what kind.
            namespace: Where; "" for the whole cluster.
            name: Which; "" for all, or for a new one.
            sub: The subresource: "status".
            body: The request's JSON.
            content_type: Its type; it says what kind of patch it is.
            query: Further parameters.
            within: Seconds it may take, where that is less than usual; the server keeps to it as well.

        Raises:
            ApiError: the server refused or did not answer.
        """
        resource = f"{kind.plural}/{sub}" + (f".{kind.group}" if kind.group else "") if sub else kind.resource
        request = Request(verb, resource, namespace, name)
        seconds = min(self._timeout, within or self._timeout)
        parameters = {**(query or {}), "timeout": f"{max(1, int(seconds))}s"}
        path = f"{kind.path(namespace, name, sub)}?{urlencode(parameters)}"
        try:
            status, text, retry_after = await self._ask(_METHODS[verb], path, body, content_type, seconds)
        except (aiohttp.ClientError, OSError, TimeoutError, config.ConfigException) as error:
            self._away = True
            self._count(request, 0)
            raise ApiError(request, 0, "", f"no answer from the API server: {_words(error)}") from error
        self._count(request, status)
        self._answered()
        found = _json(text)
        if status >= HTTPStatus.BAD_REQUEST:
            if status == HTTPStatus.UNAUTHORIZED:
                await self._log_in_again()
            raise api_error(request, status, found, retry_after)
        return found if isinstance(found, dict) else {}

    async def list(
        self, kind: Kind, namespace: str = "", *, labels: str = "", fields: str = ""
    ) -> tuple[list[Json], str]:
        """Return all objects of a kind, and the resourceVersion at which that was so.

        Args:
            kind: Which kind.
            namespace: Where; "" for the whole cluster.
            labels: A label selector, evaluated by the server.
            fields: A field selector, likewise.

        Raises:
            ApiError: see `call`.
        """
        items: list[Json] = []
        query = {"limit": str(_CHUNK), "labelSelector": labels, "fieldSelector": fields}
        query = {name: value for name, value in query.items() if value}
        while True:
            answer = await self.call("list", kind, namespace, query=query)
            items += answer.get("items") or ()
            meta = answer.get("metadata") or {}
            if not meta.get("continue"):
                return items, meta.get("resourceVersion", "")
            query["continue"] = meta["continue"]

    async def _ask(
        self, method: str, path: str, body: Json | None, content_type: str, seconds: float
    ) -> tuple[int, bytes, str | None]:
        headers = {"Content-Type": content_type, "Accept": JSON, "User-Agent": MANAGER}
        if authorization := await self.authorization():
            headers["Authorization"] = authorization
        timeout = aiohttp.ClientTimeout(total=seconds)
        url = f"{self.access.host}{path}"
        answer = await self._client.rest_client.request(method, url, headers, body, _request_timeout=timeout)
        return answer.status, await answer.read(), answer.headers.get("Retry-After")

    async def _log_in_again(self) -> None:
        """Read the kubeconfig anew: its plugin gives a fresh token. A service account's token is always read anew."""
        if self.access.refresh_api_key_hook is None:
            await _from_kubeconfig(self.access)

    def _answered(self) -> None:
        if self._away:
            self._away = False
            self.came_back.set()

    def _count(self, request: Request, status: int) -> None:
        self._metrics.api_requests.labels(request.verb, request.resource, str(status or "none")).inc()


def _json(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:  # a proxy in between, or a server that is starting
        return text.decode(errors="replace")[:500]


def _words(error: BaseException) -> str:
    """Return an error in words; a timeout has none of its own."""
    return str(error) or {"TimeoutError": "timed out"}.get(type(error).__name__, type(error).__name__)
