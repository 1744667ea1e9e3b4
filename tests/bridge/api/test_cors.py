"""Web pages of other origins use the API if the setting allows it, and only then."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pydantic import ValidationError

from bridge.running import form
from speechbridge.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from multidict import CIMultiDictProxy

    from bridge.running import Bridge, StartBridge
    from fakes.ollama import FakeOllama
    from fakes.speech_whisper import FakeSpeechWhisper

pytestmark = pytest.mark.unit

APP = "https://app.example.com"
PREFLIGHT = {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,x-stainless-os",
}
PATHS = ["/process", "/v1/audio/transcriptions", "/v1/chat/completions", "/v1/models"]


@pytest.fixture
async def bridge(
    start_bridge: StartBridge, speech_whisper: FakeSpeechWhisper, ollama: FakeOllama, tmp_path: Path
) -> Bridge:
    (tmp_path / "key").write_text("secret")
    return await start_bridge(
        whisper_url=speech_whisper.url,
        transcriber="openai",
        ollama_url=ollama.url,
        api_keys_dir=str(tmp_path),
        cors_allowed_origins=f"{APP}, http://localhost:3000",
    )


async def preflight(bridge: Bridge, path: str, origin: str, **more: str) -> tuple[int, CIMultiDictProxy[str]]:
    async with bridge.client.options(path, headers={"Origin": origin, **PREFLIGHT, **more}) as response:
        return response.status, response.headers


@pytest.mark.parametrize("path", PATHS)
async def test_a_preflight_of_an_allowed_origin_is_granted_without_a_key(bridge: Bridge, path: str) -> None:
    status, headers = await preflight(bridge, path, APP)

    assert status == 204
    assert headers["Access-Control-Allow-Origin"] == APP
    assert headers["Access-Control-Allow-Headers"] == PREFLIGHT["Access-Control-Request-Headers"]
    assert headers["Access-Control-Allow-Methods"] == "GET, POST"
    assert headers["Access-Control-Allow-Credentials"] == "true"
    assert headers["Vary"] == "Origin"


@pytest.mark.parametrize("origin", ["https://evil.example.com", "http://app.example.com", f"{APP}.evil", "null"])
async def test_another_origin_gets_nothing(bridge: Bridge, origin: str) -> None:
    status, headers = await preflight(bridge, "/process", origin)
    async with bridge.client.get("/livez", headers={"Origin": origin}) as response:
        read = response.headers

    assert status == 405
    assert not [name for name in (*headers, *read) if name.startswith("Access-Control-")]
    assert read["Vary"] == "Origin"


async def test_answers_errors_and_streams_can_be_read(bridge: Bridge) -> None:
    headers = {"Origin": APP, "Authorization": "Bearer secret"}
    path = "/v1/audio/transcriptions"
    async with (
        bridge.client.post(path, data=form(b""), headers=headers) as answer,
        bridge.client.post(path, data=form(b"", language="klingon"), headers=headers) as error,
        bridge.client.post(path, data=form(b""), headers={"Origin": APP}) as keyless,
        bridge.client.post(path, data=form(b"", stream="true"), headers=headers) as stream,
    ):
        responses = {200: answer, 400: error, 401: keyless}
        assert {status: response.status for status, response in responses.items()} == {200: 200, 400: 400, 401: 401}
        assert stream.content_type == "text/event-stream"
        for response in (*responses.values(), stream):
            assert response.headers["Access-Control-Allow-Origin"] == APP
            assert response.headers["Access-Control-Expose-Headers"] == "X-Request-ID, Retry-After"


async def test_an_options_request_that_is_no_preflight_is_refused(bridge: Bridge) -> None:
    async with bridge.client.options("/process", headers={"Origin": APP}) as response:
        assert response.status == 405


async def test_a_private_network_is_opened_to_an_allowed_origin(bridge: Bridge) -> None:
    _, headers = await preflight(bridge, "/process", APP, **{"Access-Control-Request-Private-Network": "true"})

    assert headers["Access-Control-Allow-Private-Network"] == "true"


async def test_all_origins_never_with_credentials(start_bridge: StartBridge) -> None:
    bridge = await start_bridge(cors_allowed_origins="*")

    status, headers = await preflight(bridge, "/process", "https://anything.example")

    assert (status, headers["Access-Control-Allow-Origin"]) == (204, "*")
    assert "Access-Control-Allow-Credentials" not in headers


async def test_off_by_default(start_bridge: StartBridge) -> None:
    bridge = await start_bridge()

    status, headers = await preflight(bridge, "/process", APP)

    assert status == 405
    assert not headers.keys() & {"Access-Control-Allow-Origin", "Vary"}


@pytest.mark.parametrize("text", [APP, f"{APP}/", APP.upper(), f" {APP} ,"])
def test_an_origin_is_written_as_people_do(text: str) -> None:
    assert Settings(cors_allowed_origins=text).cors_allowed_origins == (APP,)


@pytest.mark.parametrize("text", ["app.example.com", f"{APP}/page", "https://", "https://*.example.com", "**"])
def test_anything_but_an_origin_is_refused_at_the_start(text: str) -> None:
    with pytest.raises(ValidationError, match="origin such as"):
        Settings(cors_allowed_origins=text)
