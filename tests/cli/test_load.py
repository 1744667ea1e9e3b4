"""Load tests of a service that fails."""

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from speechcli.bridge_client import Recording
from speechcli.load import MAX_UNREACHABLE, LoadTest, measure

pytestmark = pytest.mark.unit

VOICE = Recording("voice.wav", b"RIFF", "audio/wav")


class Waits(list[float]):
    """Notes how long to wait, and does not."""

    async def __call__(self, seconds: float) -> None:
        self.append(seconds)


async def refusing(*, retry_after: str = "") -> TestServer:
    async def refuse(request: web.Request) -> web.Response:
        await request.read()
        body = {"error": {"code": "overloaded", "message": "busy"}}
        return web.json_response(body, status=503, headers={"Retry-After": retry_after} if retry_after else {})

    app = web.Application()
    app.router.add_post("/process", refuse)
    server = TestServer(app)
    await server.start_server()
    return server


async def test_a_service_that_is_gone_ends_the_test() -> None:
    test = LoadTest(f"http://127.0.0.1:{unused_port()}", VOICE, clients=1, duration_s=3600)

    found = await measure(test, lambda _: None, Waits())

    assert found.errors == {"connect": MAX_UNREACHABLE}


@pytest.mark.parametrize(("retry_after", "expected"), [("7", [7, 7]), ("", [0.1, 0.2])])
async def test_a_client_waits_after_a_failure(retry_after: str, expected: list[float]) -> None:
    server, waits = await refusing(retry_after=retry_after), Waits()
    async with server:
        found = await measure(LoadTest(str(server.make_url("")), VOICE, requests=3), lambda _: None, waits)

    assert found.errors == {"overloaded": 3}
    assert waits == pytest.approx(expected)
