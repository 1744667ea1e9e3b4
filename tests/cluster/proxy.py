"""A proxy in front of the API server, through which everything can go wrong that goes wrong between the two.

It speaks TLS with the server's own certificate, so that a client needs to know nothing of it.
"""

import asyncio
import json
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

import aiohttp
from aiohttp import web

from cluster.control_plane import ControlPlane
from speechlocal.children import free_port

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "upgrade", "host", "content-length"}


@dataclass(frozen=True)
class Request:
    """One request of a client. `path` is without the query."""

    method: str
    path: str
    query: str

    @property
    def watches(self) -> bool:
        return "watch=true" in self.query or "watch=1" in self.query

    @property
    def writes(self) -> bool:
        return self.method not in {"GET", "HEAD"}


class Fault:
    """What befalls a request. None: it is passed on as it is."""


@dataclass(frozen=True)
class Refuse(Fault):
    """The server's own kind of refusal, a Status object; it never sees the request."""

    code: int
    reason: str
    message: str = "refused by the test"
    retry_after: int | None = None


@dataclass(frozen=True)
class Late(Fault):
    """Passed on after `seconds`."""

    seconds: float


class LoseRequest(Fault):
    """The connection ends; the server never sees the request."""


class LoseAnswer(Fault):
    """The server does what it is asked, and its answer is lost."""


@dataclass(frozen=True)
class Then(Fault):
    """Call `act`, `before` or after the server has done what it is asked; the answer is lost."""

    act: Callable[[], None]
    before: bool = False


Interference = Callable[[Request], Fault | None]

BUSY = Refuse(429, "TooManyRequests", "too many requests, please try again later", retry_after=1)
CONFLICT = Refuse(409, "Conflict", "the object has been modified; please apply your changes to the latest version")


@dataclass
class FaultyApi:
    """`async with FaultyApi(control_plane) as proxy`, then `control_plane.kubeconfig(who, proxy.url)`.

    `interfere` is asked about every request, `requests` lists them all, oldest first.
    """

    plane: ControlPlane
    interfere: Interference = lambda _: None
    requests: list[Request] = field(default_factory=list)
    url: str = field(init=False)

    async def __aenter__(self) -> Self:
        self.url = f"https://127.0.0.1:{free_port()}"
        self._watches: dict[asyncio.Transport, str] = {}
        self._server_side = aiohttp.ClientSession(
            base_url=self.plane.url,
            connector=aiohttp.TCPConnector(ssl=self.plane.trust, limit=0),
            timeout=aiohttp.ClientTimeout(None),
            auto_decompress=False,
        )
        await self.come_back()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.go_away()
        await self._server_side.close()

    async def go_away(self) -> None:
        """Reset every connection and refuse new ones."""
        await self._runner.cleanup()

    async def come_back(self) -> None:
        app = web.Application(client_max_size=1 << 30)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.01, handler_cancellation=True)
        await self._runner.setup()
        trust = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        trust.load_cert_chain(self.plane.certificates.server, self.plane.certificates.server_key)
        await web.TCPSite(self._runner, "127.0.0.1", int(self.url.rpartition(":")[2]), ssl_context=trust).start()

    @property
    def watched(self) -> list[str]:
        """The paths of the watches that are open."""
        return list(self._watches.values())

    def cut_watches(self) -> int:
        """End every watch in the middle, as a load balancer does; how many there were."""
        watches = list(self._watches)
        for connection in watches:
            connection.abort()
        return len(watches)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        seen = Request(request.method, request.path, request.query_string)
        self.requests.append(seen)
        fault = self.interfere(seen)
        if isinstance(fault, Refuse):
            return _refusal(fault)
        if isinstance(fault, Late):
            await asyncio.sleep(fault.seconds)
        if isinstance(fault, Then) and fault.before:
            fault.act()
        if isinstance(fault, LoseRequest) or (isinstance(fault, Then) and fault.before):
            return _hang_up(request)
        headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP_BY_HOP}
        try:
            async with self._server_side.request(
                request.method, request.raw_path, data=await request.read() or None, headers=headers
            ) as answer:
                if isinstance(fault, LoseAnswer | Then):
                    await answer.read()
                    if isinstance(fault, Then):
                        fault.act()
                    return _hang_up(request)
                return await self._pass_on(request, seen, answer)
        except (aiohttp.ClientError, OSError):
            return _hang_up(request)

    async def _pass_on(self, request: web.Request, seen: Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
        headers = {name: value for name, value in answer.headers.items() if name.lower() not in HOP_BY_HOP}
        if not seen.watches:
            return web.Response(status=answer.status, body=await answer.read(), headers=headers)
        response = web.StreamResponse(status=answer.status, headers=headers)
        response.enable_chunked_encoding()
        connection = request.transport
        if connection is None:
            return response
        self._watches[connection] = seen.path
        try:
            await response.prepare(request)
            async for chunk in answer.content.iter_any():
                await response.write(chunk)
        finally:
            self._watches.pop(connection, None)
        return response


def _refusal(fault: Refuse) -> web.Response:
    status = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "message": fault.message,
        "reason": fault.reason,
        "code": fault.code,
    }
    headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
    return web.Response(
        status=fault.code, body=json.dumps(status).encode(), content_type="application/json", headers=headers
    )


def _hang_up(request: web.Request) -> web.Response:
    if request.transport:
        request.transport.abort()
    return web.Response()
