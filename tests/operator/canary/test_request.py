"""What a canary request sends to the bridge, and what it makes of the answer."""

from __future__ import annotations

import asyncio
import io
import wave
from typing import Any, cast

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from speechoperator.canary import request as request_module
from speechoperator.canary.request import Measured, request, sentence

pytestmark = pytest.mark.unit

ANSWER: dict[str, Any] = {
    "transcription": "unless to be rather",
    "response": "Yes",
    "timings": {"queue_ms": 1, "transcribe_ms": 310, "generate_ms": 700, "total_ms": 1010},
}


async def measured(answer: object, status: int = 200, seen: list[dict[str, Any]] | None = None) -> Measured:
    """Send a request to a bridge that gives this answer; what it received is in `seen`."""

    async def process(received: web.Request) -> web.Response:
        form = await received.post()
        if seen is not None:
            recording = cast("web.FileField", form["file"]).file.read()
            seen.append(
                {
                    **form,
                    "recording": recording,
                    "agent": received.headers["User-Agent"],
                    "id": received.headers["X-Request-ID"],
                }
            )
        return web.json_response(answer, status=status)

    app = web.Application()
    app.router.add_post("/process", process)
    async with TestServer(app) as server:
        return await request(f"http://127.0.0.1:{server.port}")


def test_the_sentence_is_about_a_second_long() -> None:
    with wave.open(io.BytesIO(sentence())) as recording:
        assert 1 <= recording.getnframes() / recording.getframerate() < 1.5


async def test_a_sentence_is_sent_and_one_token_is_asked_for() -> None:
    seen: list[dict[str, Any]] = []

    assert await measured(ANSWER, seen=seen) == Measured("", 0.31, 0.7, 1.01)

    (received,) = seen
    assert received["max_tokens"] == "1"
    assert received["recording"] == sentence()
    assert "canary" in received["agent"]
    assert received["id"].startswith("canary-")


@pytest.mark.parametrize(
    ("answer", "status", "error"),
    [
        ({**ANSWER, "error": "no model"}, 200, "the language model does not answer: no model"),
        (
            {**ANSWER, "error": {"code": "llm_failed", "message": "no model"}},
            200,
            "the language model does not answer: no model",
        ),
        ({**ANSWER, "transcription": " "}, 200, "Whisper recognized no word of a spoken sentence"),
        ({"title": "x", "detail": "Whisper is down"}, 503, "the bridge answers HTTP 503: Whisper is down"),
        ({"detail": "half of \ud83d"}, 502, "the bridge answers HTTP 502: half of ?"),
        ({**ANSWER, "error": "half of \ud83d"}, 200, "the language model does not answer: half of ?"),
        ([], 502, "the bridge answers HTTP 502: Bad Gateway"),
        ([], 200, "Whisper recognized no word of a spoken sentence"),
    ],
)
async def test_a_failure_is_told_in_words(answer: object, status: int, error: str) -> None:
    assert (await measured(answer, status)).error == error


async def test_a_bridge_that_is_not_there_is_a_failure() -> None:
    found = await request("http://127.0.0.1:9")

    assert found.error == "the bridge cannot be reached: Connection refused"


async def test_an_answer_without_timings_counts() -> None:
    assert await measured({**ANSWER, "timings": None}) == Measured()


async def test_an_answer_that_does_not_come_in_time_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (await measured(ANSWER)).timed_out is False
    monkeypatch.setattr("speechoperator.canary.request._TIMEOUT", aiohttp.ClientTimeout(total=0.2))

    async def process(_: web.Request) -> web.Response:
        await asyncio.sleep(1)
        return web.json_response(ANSWER)

    app = web.Application()
    app.router.add_post("/process", process)
    async with TestServer(app) as server:
        assert (await request(f"http://127.0.0.1:{server.port}")).timed_out is True


def test_there_is_time_to_load_a_model() -> None:
    assert (request_module._TIMEOUT.total or 0) >= 180
