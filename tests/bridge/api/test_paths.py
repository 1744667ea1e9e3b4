"""Which request targets mean a route of the API."""

import pytest

from bridge.running import Bridge
from speechbridge.api.paths import normalized

pytestmark = pytest.mark.unit


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
def test_a_route_is_found(target: str, route: str) -> None:
    assert normalized(target) == route


@pytest.mark.parametrize(
    "target", ["/", "//", "*", "", "/metrics/", "/v1/files/", "http://x//process", "/modelsx", "/v1//"]
)
def test_everything_else_is_left_alone(target: str) -> None:
    assert normalized(target) == target


async def test_a_rewritten_request_is_counted_under_its_route(bridge: Bridge) -> None:
    async with bridge.client.get("/v1//models/") as response:
        assert response.status == 200
    async with bridge.client.get("/metrics") as response:
        assert 'route="/v1/models"' in await response.text()
