"""Which request targets mean a route of the API."""

import pytest
from yarl import URL

from bridge.running import Bridge
from speechbridge.api.paths import Paths
from speechbridge.app import create_app
from speechbridge.settings import Settings

pytestmark = pytest.mark.unit


@pytest.fixture
async def paths() -> Paths:
    return Paths.of(create_app(Settings()))


@pytest.mark.parametrize(
    ("target", "route"),
    [
        ("/process/", "/process"),
        ("//process?x=//", "/process?x=//"),
        ("/chat/completions", "/v1/chat/completions"),
        ("/models", "/v1/models"),
        ("/v1/models/", "/v1/models"),
        ("/models/llama3.2:1b", "/v1/models/llama3.2:1b"),
        ("/v1/models/%2Fmodels%2Fx", "/v1/models/%2Fmodels%2Fx"),
        ("/v1/v1/v1/chat/completions", "/v1/chat/completions"),
    ],
)
async def test_a_route_is_found(paths: Paths, target: str, route: str) -> None:
    assert paths.normalized(target) == route


POSTED = [
    "/process",
    "/v1/audio/transcriptions",
    "/v1/audio/translations",
    "/v1/chat/completions",
    "/v1/responses",
]


async def test_these_are_all_the_routes_that_clients_post_to(bridge: Bridge) -> None:
    routes = bridge.runner.app.router.routes()

    assert sorted(route.resource.canonical for route in routes if route.method == "POST" and route.resource) == POSTED


@pytest.mark.parametrize("route", POSTED)
async def test_every_route_that_clients_post_to_is_found(bridge: Bridge, route: str) -> None:
    spellings = [f"{route}/", f"/{route}"]
    if route.startswith("/v1/"):
        spellings += [f"/v1{route}", route.removeprefix("/v1"), f"{route.removeprefix('/v1')}/"]

    for spelling in spellings:
        async with bridge.client.post(URL(f"{bridge.url}{spelling}", encoded=True)) as response:
            assert (spelling, response.status) == (spelling, 400)


@pytest.mark.parametrize(
    "target", ["/", "//", "*", "", "/metrics/", "/v1/files/", "http://x//process", "/modelsx", "/v1//"]
)
async def test_everything_else_is_left_alone(paths: Paths, target: str) -> None:
    assert paths.normalized(target) == target


async def test_a_rewritten_request_is_counted_under_its_route(bridge: Bridge) -> None:
    async with bridge.client.get("/v1//models/") as response:
        assert response.status == 200
    async with bridge.client.get("/metrics") as response:
        assert 'route="/v1/models"' in await response.text()
