"""Our own Whisper server answers a stream while its file arrives: FakeEarlyWhisper against speechwhisper."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import ClientResponse, ClientSession

from bridge.arriving import HEADERS, Arriving
from contract.loads import DEADLINE_S, reaches
from contract.recordings import BYTES_OF_40_S, VOICE, long_recording
from contract.shapes import Exactly, Maybe, assert_shape

DELTA, DONE, ERROR = "transcript.text.delta", "transcript.text.done", "error"
BEGINNING = 40_000
"""Bytes of a file: more than the parser of a form reads ahead before it says that the file begins."""
EVENTS = "text/event-stream; charset=utf-8"

NO_AUDIO = b"Dear diary, today I was no recording. " * 50


@asynccontextmanager
async def post(http: ClientSession, url: str, form: Arriving) -> AsyncIterator[ClientResponse]:
    """Send a form; after the block the connection is closed, however much of it is still to come."""
    async with asyncio.timeout(DEADLINE_S):
        answer = await http.post(f"{url}/v1/audio/transcriptions", data=form, headers=HEADERS)
        try:
            yield answer
        finally:
            answer.close()


def streamed(audio: bytes, **fields: str) -> Arriving:
    """A form so far: `stream`, the fields, and this of the file."""
    form = Arriving()
    form.fields(stream="true", **fields)
    form.begin(audio)
    return form


async def told(answer: ClientResponse) -> AsyncIterator[dict[str, Any]]:
    """The events as they come."""
    async for line in answer.content:
        if line.strip():
            yield json.loads(line.removeprefix(b"data: "))


async def whole(http: ClientSession, url: str, form: Arriving) -> list[dict[str, Any]]:
    async with post(http, url, form) as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"] == EVENTS
        return [event async for event in told(answer)]


def failure(code: str, param: str | None = None) -> dict[str, Any]:
    name = Exactly(param) if param else Maybe(str)
    return {"type": Exactly(ERROR), "error": {"message": str, "code": Exactly(code), "param": name}}


async def test_the_head_comes_once_the_file_begins(streaming_whisper: str, http: ClientSession) -> None:
    voice = VOICE.read_bytes()
    form = streamed(voice[:BEGINNING])
    async with post(http, streaming_whisper, form) as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"] == EVENTS
        assert answer.headers["X-Accel-Buffering"] == "no"
        assert "working=1" in answer.headers["Speech-Load"]

        form.audio(voice[BEGINNING:])
        form.end()
        assert [event async for event in told(answer)][-1]["type"] == DONE


async def test_the_first_segment_comes_before_the_upload_ends(streaming_whisper: str, http: ClientSession) -> None:
    recording = long_recording()
    form = streamed(recording[:BYTES_OF_40_S])
    async with post(http, streaming_whisper, form) as answer:
        events = told(answer)
        first = await anext(events)
        assert first["type"] == DELTA

        form.audio(recording[BYTES_OF_40_S:])
        form.end()
        *deltas, done = [first, *[event async for event in events]]

    assert {event["type"] for event in deltas} == {DELTA}
    assert [event["segment"]["id"] for event in deltas] == list(range(len(deltas)))
    assert done["type"] == DONE
    assert done["text"] == "".join(event["delta"] for event in deltas).strip()
    assert [segment["text"] for segment in done["segments"]] == [event["segment"]["text"] for event in deltas]


async def test_a_form_that_ends_within_its_file_is_an_error_after_the_segments(
    streaming_whisper: str, http: ClientSession
) -> None:
    form = streamed(long_recording()[:BYTES_OF_40_S])
    async with post(http, streaming_whisper, form) as answer:
        events = told(answer)
        assert (await anext(events))["type"] == DELTA

        form.end_too_early()
        *deltas, last = [event async for event in events]

    assert {event["type"] for event in deltas} <= {DELTA}
    assert_shape(last, failure("bad_multipart"))


async def test_a_client_that_leaves_within_its_file_frees_the_slot(streaming_whisper: str, http: ClientSession) -> None:
    async with post(http, streaming_whisper, streamed(long_recording()[:BYTES_OF_40_S])) as answer:
        assert (await anext(told(answer)))["type"] == DELTA
        await reaches(http, streaming_whisper, working=1)

        answer.close()

        await reaches(http, streaming_whisper, working=0, waiting=0)


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"language": "klingon"}, 400, "unknown_language"),
        ({"model": "nobody-knows"}, 404, "model_not_found"),
        ({"response_format": "interpretive-dance"}, 400, "bad_field"),
        ({"audio_track": "first"}, 400, "bad_field"),
        ({"channels": "2"}, 400, "bad_field"),
    ],
)
async def test_an_invalid_field_before_the_file_is_refused_while_the_upload_pauses(
    streaming_whisper: str, http: ClientSession, fields: dict[str, str], status: int, code: str
) -> None:
    form = streamed(VOICE.read_bytes()[:BEGINNING], **fields)
    async with post(http, streaming_whisper, form) as answer:
        assert answer.status == status
        assert (await answer.json())["error"]["code"] == code


@pytest.mark.parametrize(
    ("audio", "fields", "error"),
    [
        (b"", {}, failure("empty_file", "file")),
        (NO_AUDIO, {}, failure("not_audio")),
        (VOICE.read_bytes(), {"audio_track": "1"}, failure("bad_field", "audio_track")),
    ],
    ids=["empty", "no audio", "no such track"],
)
async def test_a_file_that_cannot_be_transcribed_is_an_error_in_the_stream(
    streaming_whisper: str, http: ClientSession, audio: bytes, fields: dict[str, str], error: dict[str, Any]
) -> None:
    form = streamed(audio, **fields)
    form.end()

    (only,) = await whole(http, streaming_whisper, form)

    assert_shape(only, error)


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"language": "en"}, "bad_field", "language"),
        ({"channels": "separate"}, "bad_field", "channels"),
        ({"timestamp_granularities[]": "word"}, "bad_field", "timestamp_granularities[]"),
        ({"prompt": "Sense and Sensibility", "hotwords": "Dashwood"}, "bad_field", "hotwords"),
        ({"audio_track": "first"}, "bad_field", "audio_track"),
        ({"model": "nobody-knows"}, "model_not_found", "model"),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else "",
)
async def test_a_field_after_the_file_must_not_change_the_options(
    streaming_whisper: str, http: ClientSession, fields: dict[str, str], code: str, param: str
) -> None:
    form = streamed(VOICE.read_bytes())
    form.end(**fields)

    *deltas, last = await whole(http, streaming_whisper, form)

    assert {event["type"] for event in deltas} <= {DELTA}
    assert_shape(last, failure(code, param))


@pytest.mark.parametrize(
    "fields",
    [
        {"stream": "false"},
        {"model": "whisper-1"},
        {"response_format": "text"},
        {"timestamp_granularities[]": "segment"},
        {"language": "en"},
        {"of_somebody_else": "1"},
    ],
    ids=",".join,
)
async def test_a_field_after_the_file_that_changes_no_option_is_no_error(
    streaming_whisper: str, http: ClientSession, fields: dict[str, str]
) -> None:
    form = streamed(VOICE.read_bytes(), language="en")
    form.end(**fields)

    assert (await whole(http, streaming_whisper, form))[-1]["type"] == DONE


async def test_a_form_with_stream_after_the_file_is_answered_with_a_stream(
    streaming_whisper: str, http: ClientSession
) -> None:
    form = Arriving()
    form.begin(VOICE.read_bytes())
    form.end(stream="true")

    assert (await whole(http, streaming_whisper, form))[-1]["type"] == DONE
