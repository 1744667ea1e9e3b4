"""The addresses on which the server listens."""

from __future__ import annotations

import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import aiohttp
import pytest
from aiohttp import web

from speechwhisper.api.server import site

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.unit


@asynccontextmanager
async def listening(host: str) -> AsyncIterator[int]:
    async def hello(_: web.Request) -> web.Response:
        return web.Response(text="hello")

    app = web.Application()
    app.router.add_get("/", hello)
    runner = web.AppRunner(app)
    await runner.setup()
    await site(runner, host, 0).start()
    yield runner.addresses[0][1]
    await runner.cleanup()


async def get(host: str, port: int) -> str:
    async with aiohttp.ClientSession() as http, http.get(f"http://{host}:{port}/") as response:
        return await response.text()


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
async def test_the_unspecified_address_accepts_ipv6_and_ipv4() -> None:
    async with listening("::") as port:
        assert await get("[::1]", port) == "hello"
        assert await get("127.0.0.1", port) == "hello"


async def test_without_ipv6_the_unspecified_address_accepts_ipv4(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: False)

    async with listening("::") as port:
        assert await get("127.0.0.1", port) == "hello"


async def test_another_address_is_the_only_one() -> None:
    async with listening("127.0.0.1") as port:
        assert await get("127.0.0.1", port) == "hello"
