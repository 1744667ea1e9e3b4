"""A web page of another origin uses the real service from Chromium, if the service allows its origin."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer

from e2e.playground_browser import Browser
from speechlocal.stack import plan, started
from spoken import WORST_WORD_ERROR_RATE, transcript, word_error_rate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from e2e.playground_browser import Page

# One browser and one service serve all tests of this module: hence one event loop.
pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

VOICE = Path(__file__).parents[2] / "examples" / "audio" / "austen-ill-disposed.wav"

# As OpenAI's client for browsers does, the page sends headers that need a preflight request.
SEND = """async ({ url, fields }) => {
    const form = new FormData();
    form.append("file", await (await fetch("/voice.wav")).blob(), "voice.wav");
    for (const [name, value] of Object.entries(fields)) form.append(name, value);
    const headers = { Authorization: "Bearer unused", "X-Stainless-OS": "Unknown" };
    try {
        const answer = await fetch(url, { method: "POST", body: form, headers });
        return { status: answer.status, id: answer.headers.get("X-Request-ID"), text: await answer.text() };
    } catch (error) {
        return { error: error.name };
    }
}"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def page_server() -> AsyncIterator[TestServer]:
    """The page's own server, which is not the bridge."""

    async def page(_: web.Request) -> web.Response:
        return web.Response(text="<!doctype html><title>App</title><section>App</section>", content_type="text/html")

    async def voice(_: web.Request) -> web.FileResponse:
        return web.FileResponse(VOICE)

    app = web.Application()
    app.router.add_get("/", page)
    app.router.add_get("/voice.wav", voice)
    async with TestServer(app, host="127.0.0.1") as server:
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(page_server: TestServer) -> AsyncIterator[str]:
    """The address of the real service, which allows the origin http://127.0.0.1:PORT of the page's server."""
    wanted = plan()
    *others, bridge = wanted.programs
    allowed = {**bridge.environment, "CORS_ALLOWED_ORIGINS": f"http://127.0.0.1:{page_server.port}"}
    async with started(replace(wanted, programs=(*others, replace(bridge, environment=allowed)))) as stack:
        yield stack.url


@pytest_asyncio.fixture(loop_scope="module")
async def page() -> AsyncIterator[Page]:
    async with Browser.start(microphone=VOICE) as browser, browser.page() as opened:
        yield opened


async def sent(page: Page, url: str, **fields: str) -> dict[str, Any]:
    found: dict[str, Any] = await page.evaluate(f"({SEND})({{url: {url!r}, fields: {fields!r}}})")
    return found


async def test_an_allowed_page_reads_transcripts_streams_and_errors(
    page: Page, page_server: TestServer, service: str
) -> None:
    await page.open(f"http://127.0.0.1:{page_server.port}/")

    transcribed = await sent(page, f"{service}/v1/audio/transcriptions", model="whisper-1", response_format="text")
    streamed = await sent(page, f"{service}/v1/audio/transcriptions", model="whisper-1", stream="true")
    refused = await sent(page, f"{service}/v1/audio/transcriptions", model="whisper-1", response_format="docx")

    assert transcribed["status"] == 200
    assert transcribed["id"]
    assert word_error_rate(transcript(VOICE), transcribed["text"]) <= WORST_WORD_ERROR_RATE
    assert "transcript.text.done" in streamed["text"]
    assert refused["status"] == 400
    assert "verbose_json" in refused["text"]


async def test_a_page_of_any_other_origin_reads_nothing(page: Page, page_server: TestServer, service: str) -> None:
    await page.open(f"http://localhost:{page_server.port}/")

    found = await sent(page, f"{service}/v1/audio/transcriptions", model="whisper-1")

    assert found == {"error": "TypeError"}
    assert any("CORS" in complaint for complaint in page.complaints)
