"""From an upstream's URL to the addresses of its pods."""

import pytest

from speechbridge.upstreams.discovery import origin_of, resolve

pytestmark = pytest.mark.unit


async def test_an_unknown_name_has_no_address_and_a_known_one_has_one_family() -> None:
    assert await resolve("localhost", 80) == {"127.0.0.1"}
    assert await resolve("name.invalid", 80) == frozenset()


@pytest.mark.parametrize("address", ["10.0.0.1", "::1"])
async def test_an_address_is_its_own(address: str) -> None:
    assert await resolve(address, 80) == {address}


@pytest.mark.parametrize(
    ("url", "authority", "path"),
    [
        ("http://whisper:9000", "whisper:9000", ""),
        ("http://whisper/base/", "whisper", "/base"),
        ("https://whisper", "whisper", ""),
        ("http://[::1]:9000", "[::1]:9000", ""),
    ],
)
async def test_an_upstreams_address_is_split(url: str, authority: str, path: str) -> None:
    origin = origin_of(url)

    assert (origin.authority, origin.path) == (authority, path)
