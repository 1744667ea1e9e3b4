"""Names below `localhost` are this machine, whatever the system's resolver knows."""

from __future__ import annotations

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from speechcli.localhost import Resolver, connector, is_localhost

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("name", ["localhost", "speech.localhost", "a.b.localhost", "speech.localhost."])
def test_names_below_localhost_are_this_machine(name: str) -> None:
    assert is_localhost(name)


@pytest.mark.parametrize("name", ["speech.example.com", "notlocalhost", "localhost.example.com", "127.0.0.1"])
def test_other_names_are_not(name: str) -> None:
    assert not is_localhost(name)


async def test_a_request_to_such_a_name_reaches_this_machine_and_keeps_the_name() -> None:
    async def host(request: web.Request) -> web.Response:
        return web.Response(text=request.host)

    app = web.Application()
    app.router.add_get("/", host)
    async with (
        TestServer(app) as server,
        aiohttp.ClientSession(connector=connector()) as session,
        session.get(f"http://speech.localhost:{server.port}/") as answer,
    ):
        assert await answer.text() == f"speech.localhost:{server.port}"


async def test_other_names_are_asked_of_the_systems_resolver() -> None:
    resolver = Resolver()

    assert [one["host"] for one in await resolver.resolve("127.0.0.1", 80)] == ["127.0.0.1"]
    with pytest.raises(OSError, match=r"."):
        await resolver.resolve("name.invalid", 80)
