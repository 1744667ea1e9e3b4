"""The client of /process against servers that answer correctly, wrongly or not at all."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from speechcli.bridge_client import (
    Completed,
    Event,
    Recording,
    ResponseDelta,
    Transcript,
    TranscriptDelta,
    process,
    read_recording,
)
from speechcli.errors import RequestError, UsageError
from speechlocal.children import free_port

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

pytestmark = pytest.mark.unit

VOICE = Recording("voice.wav", b"RIFF....", "audio/x-wav")
WHOLE = (
    b'event: transcript.delta\ndata: {"text": " Hello", "start": 0.0, "end": 1.0}\n\n'
    b'event: transcript.done\ndata: {"text": "Hello", "audio_seconds": 1.0}\n\n'
    b": keep-alive\n\n"
    b'event: response.delta\ndata: {"text": "Hi"}\n\n'
    b'event: response.done\ndata: {"response": "Hi"}\n\n'
)


async def received(handler: Callable[[web.Request], Awaitable[web.StreamResponse]], **options: float) -> list[Event]:
    app = web.Application()
    app.router.add_post("/process", handler)
    timeout = aiohttp.ClientTimeout(options.get("timeout", 30))
    async with TestServer(app) as server, aiohttp.ClientSession(timeout=timeout) as session:
        return [event async for event in process(session, str(server.make_url("/")), VOICE, prompt="Why?")]


async def test_the_form_has_the_prompt_before_the_file_and_asks_for_a_stream() -> None:
    sent: list[tuple[str, str]] = []

    async def answer(request: web.Request) -> web.Response:
        async for part in await request.multipart():
            assert isinstance(part, aiohttp.BodyPartReader)
            sent.append((part.name or "", (await part.read()).decode()))
        return web.Response(body=WHOLE, content_type="text/event-stream")

    await received(answer)

    assert sent == [("stream", "true"), ("prompt", "Why?"), ("file", "RIFF....")]


async def test_the_stream_arrives_event_by_event() -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=WHOLE, content_type="text/event-stream")

    assert await received(answer) == [
        TranscriptDelta(" Hello"),
        Transcript("Hello", 1.0),
        ResponseDelta("Hi"),
        Completed({"response": "Hi"}),
    ]


async def test_a_rejection_has_the_services_code_and_message() -> None:
    async def answer(_: web.Request) -> web.Response:
        problem = {
            "type": "about:blank",
            "title": "Bad request",
            "detail": "voice.wav is no audio",
            "code": "not_audio",
        }
        return web.json_response(problem, status=400, content_type="application/problem+json")

    with pytest.raises(RequestError, match=r"voice\.wav is no audio") as refused:
        await received(answer)
    assert refused.value.code == "not_audio"


async def test_a_rejection_by_a_proxy_is_named_by_its_status() -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=502, text="<html>Bad Gateway</html>")

    with pytest.raises(RequestError) as refused:
        await received(answer)
    assert refused.value.code == "http_502"


async def test_an_error_while_transcribing_ends_the_request() -> None:
    async def answer(_: web.Request) -> web.Response:
        error = (
            b'event: error\ndata: {"code": "upstream_died", "message": "Whisper is gone", "stage": "transcribe"}\n\n'
        )
        return web.Response(body=error, content_type="text/event-stream")

    with pytest.raises(RequestError, match="Whisper is gone") as failed:
        await received(answer)
    assert failed.value.code == "upstream_died"


async def test_a_transcription_that_the_deadline_ended_still_returns_its_beginning() -> None:
    async def answer(_: web.Request) -> web.Response:
        body = (
            b'event: transcript.delta\ndata: {"text": " Hello", "start": 0.0, "end": 1.0}\n\n'
            b'event: error\ndata: {"code": "deadline_exceeded", "message": "late", "stage": "transcribe"}\n\n'
            b'event: response.done\ndata: {"transcription": "Hello", "error": {"code": "deadline_exceeded"}}\n\n'
        )
        return web.Response(body=body, content_type="text/event-stream")

    assert await received(answer) == [
        TranscriptDelta(" Hello"),
        Completed({"transcription": "Hello", "error": {"code": "deadline_exceeded"}}),
    ]


async def test_a_failed_generation_still_returns_the_transcript() -> None:
    async def answer(_: web.Request) -> web.Response:
        body = (
            b'event: error\ndata: {"code": "model_not_found", "message": "gone", "stage": "generate"}\n\n'
            b'event: response.done\ndata: {"transcription": "Hello", "error": {"code": "model_not_found"}}\n\n'
        )
        return web.Response(body=body, content_type="text/event-stream")

    assert await received(answer) == [Completed({"transcription": "Hello", "error": {"code": "model_not_found"}})]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (WHOLE[:-60], "incomplete"),
        (b"event: response.delta\ndata: {not json\n\n", "not_understood"),
        (b'event: response.delta\ndata: {"other": 1}\n\n', "not_understood"),
        (b"<html>hello</html>", "incomplete"),
    ],
)
async def test_an_incomplete_response_is_an_error(body: bytes, code: str) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=body, content_type="text/event-stream")

    with pytest.raises(RequestError) as failed:
        await received(answer)
    assert failed.value.code == code


async def test_a_silent_server_times_out() -> None:
    async def answer(_: web.Request) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    with pytest.raises(RequestError) as failed:
        await received(answer, timeout=0.2)
    assert failed.value.code == "timeout"


async def test_a_closed_port_is_a_connect_error() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    async with aiohttp.ClientSession() as session:
        with pytest.raises(RequestError, match="cannot connect") as failed:
            await anext(process(session, url, VOICE))
    assert failed.value.code == "connect"


def test_an_unreadable_recording_is_a_usage_error(tmp_path: Path) -> None:
    for path in (tmp_path / "none.wav", tmp_path):
        with pytest.raises(UsageError, match="cannot read"):
            read_recording(path)
    (tmp_path / "empty.wav").touch()
    with pytest.raises(UsageError, match="empty"):
        read_recording(tmp_path / "empty.wav")
