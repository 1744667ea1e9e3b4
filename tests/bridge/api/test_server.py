"""The address that the server listens on."""

import socket
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web

from speechbridge.api.server import Runner, site
from speechbridge.app import connection_limits
from speechbridge.settings import Settings
from speechbridge.telemetry.metrics import Metrics

pytestmark = pytest.mark.unit


def has_ipv6_loopback() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


async def listening(runner: Runner, host: str) -> int:
    """Start a server that answers `OK`; return its port."""
    await runner.setup()
    await site(runner, host, 0).start()
    port: int = runner.addresses[0][1]
    return port


async def get(host: str, port: int) -> str:
    async with aiohttp.ClientSession() as client, client.get(f"http://{host}:{port}/") as response:
        return await response.text()


@pytest.fixture
async def runner() -> AsyncIterator[Runner]:
    async def ok(_: web.Request) -> web.Response:
        return web.Response(text="OK")

    app = web.Application()
    app.router.add_get("/", ok)
    runner = Runner(app, connection_limits(Settings()), Metrics(), shutdown_timeout=0.1)
    yield runner
    await runner.cleanup()


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", pytest.param("[::1]", marks=pytest.mark.skipif(not has_ipv6_loopback(), reason="no IPv6 here"))],
)
async def test_listens_on_ipv4_and_ipv6(runner: Runner, address: str) -> None:
    port = await listening(runner, "::")

    assert await get(address, port) == "OK"


async def test_without_ipv6_listens_on_ipv4(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: False)

    port = await listening(runner, "::")

    assert runner.addresses[0][0] == "0.0.0.0"  # noqa: S104 - what it fell back to
    assert await get("127.0.0.1", port) == "OK"


async def test_listens_on_a_given_address_only(runner: Runner) -> None:
    port = await listening(runner, "127.0.0.1")

    assert runner.addresses == [("127.0.0.1", port)]


async def test_a_port_in_use_is_an_os_error(runner: Runner) -> None:
    port = await listening(runner, "::")

    with pytest.raises(OSError, match="in use"):
        site(runner, "::", port)


async def test_an_idle_connection_is_closed_in_minutes_not_in_hours(runner: Runner) -> None:
    port = await listening(runner, "127.0.0.1")

    async with aiohttp.ClientSession() as client, client.get(f"http://127.0.0.1:{port}/"):
        assert runner.server is not None
        (connection,) = runner.server.connections
        assert connection.keepalive_timeout == 75
