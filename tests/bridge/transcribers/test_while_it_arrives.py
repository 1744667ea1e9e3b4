"""Whisper begins while the file arrives: it has the options before the file, and may answer before the upload ends."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bridge.arriving import HEADERS, Arriving
from bridge.running import WAV, Bridge, StartBridge
from bridge.wire import multipart, part
from fakes.early_whisper import FakeEarlyWhisper
from fakes.faults import Answer, StreamError
from fakes.ollama import FakeOllama
from fakes.openai_chat import FakeOpenAIChat
from fakes.sending import event
from fakes.speech_whisper import FakeSpeechWhisper

pytestmark = pytest.mark.unit

MIB = 2**20
OPENING = WAV[:44]
TRANSCRIPTIONS = "/v1/audio/transcriptions"
FIELDS = {
    "language": "en",
    "hotwords": "Dashwood",
    "temperature": "0.5",
    "vad_filter": "true",
    "audio_track": "0",
    "channels": "separate",
}
DELTA = "transcript.text.delta"


@pytest.fixture
async def early() -> AsyncIterator[FakeEarlyWhisper]:
    async with FakeEarlyWhisper() as fake:
        yield fake


@pytest.fixture
async def bridge(start_bridge: StartBridge, early: FakeEarlyWhisper, openai_chat: FakeOpenAIChat) -> Bridge:
    """A bridge to which no upload is slow, however slow this machine is."""
    return await start_bridge(
        whisper_url=early.url,
        ollama_url=openai_chat.url,
        transcriber="openai",
        generator="openai",
        stream_min_rate=1,
        slot_idle_timeout=5.0,
        retry_buffer_bytes=8 * MIB,
    )


async def told(lines: AsyncIterator[bytes]) -> AsyncIterator[dict[str, Any]]:
    """The events of a stream as they come."""
    async for line in lines:
        if line.startswith(b"data: "):
            yield json.loads(line.removeprefix(b"data: "))


# What is sent before the file, and what after it.


async def test_all_options_precede_a_file_that_is_complete(bridge: Bridge, early: FakeEarlyWhisper) -> None:
    fields = [part(name, value) for name, value in FIELDS.items()]
    data = multipart(part("file", WAV, filename="a.wav"), *fields, part("prompt", "Sense and Sensibility"))
    async with bridge.client.post(TRANSCRIPTIONS, data=data, headers=HEADERS) as response:
        assert response.status == 200

    (sent,) = early.work
    assert {*FIELDS, "model", "response_format", "prompt", "stream"} < {*sent.before_the_file}
    assert sent.parts[-1] == "file"
    assert {name: sent.value(name) for name in FIELDS} == {**FIELDS, "vad_filter": "true"}


async def test_options_precede_a_file_that_is_arriving(bridge: Bridge, early: FakeEarlyWhisper) -> None:
    form = Arriving()
    form.fields(**FIELDS)
    form.begin(OPENING)
    form.audio(bytes(MIB))
    answering = asyncio.create_task(bridge.client.post(TRANSCRIPTIONS, data=form, headers=HEADERS))
    await early.until(lambda: bool(early.work) and early.work[0].audio is not None)
    early_fields = early.work[0].before_the_file
    form.end(prompt="Sense and Sensibility")

    assert (await answering).status == 200
    (sent,) = early.work
    assert {*FIELDS, "model", "response_format", "timestamp_granularities[]"} == {*early_fields}
    assert sent.parts == [*early_fields, "file", "prompt", "stream"]
    assert sent.value("prompt") == "Sense and Sensibility"
    assert sent.audio
    assert sent.audio.sha256 == form.sha256


async def test_words_may_be_asked_for_after_the_file(bridge: Bridge, early: FakeEarlyWhisper) -> None:
    form = Arriving()
    form.begin(OPENING)
    form.audio(bytes(MIB))
    answering = asyncio.create_task(bridge.client.post(TRANSCRIPTIONS, data=form, headers=HEADERS))
    await early.until(lambda: bool(early.work) and early.work[0].audio is not None)
    form.end(**{"response_format": "verbose_json", "timestamp_granularities[]": "word"})

    response = await answering
    assert (await response.json())["words"]
    assert early.work[0].form["timestamp_granularities[]"] == ["segment", "word"]


# Segments before the upload ends.


async def test_segments_are_passed_on_while_the_upload_goes_on(bridge: Bridge, early: FakeEarlyWhisper) -> None:
    form = Arriving()
    form.fields(stream="true")
    form.begin(OPENING)
    form.audio(bytes(MIB))
    async with bridge.client.post(TRANSCRIPTIONS, data=form, headers=HEADERS) as response:
        events = told(response.content)
        first = await anext(events)
        form.audio(bytes(3 * MIB))
        form.end()
        others = [item async for item in events]

    (sent,) = early.work
    assert sent.audio
    assert (first["type"], sent.audio.sha256) == (DELTA, form.sha256)
    assert [item["type"] for item in others] == [DELTA] * (len(early.transcript.segments) - 1) + [
        "transcript.text.done"
    ]
    assert "".join(item["delta"] for item in (first, *others[:-1])).strip() == early.transcript.text.strip()


async def test_an_option_after_the_file_of_a_stream_begins_again(
    start_bridge: StartBridge, speech_whisper: FakeSpeechWhisper, ollama: FakeOllama
) -> None:
    """As long as the client has received nothing."""
    bridge = await start_bridge(
        whisper_url=speech_whisper.url,
        ollama_url=ollama.url,
        transcriber="openai",
        stream_min_rate=1,
        slot_idle_timeout=5.0,
        retry_buffer_bytes=8 * MIB,
    )
    form = Arriving()
    form.fields(stream="true")
    form.begin(OPENING)
    form.audio(bytes(MIB))
    answering = asyncio.create_task(bridge.client.post(TRANSCRIPTIONS, data=form, headers=HEADERS))
    await speech_whisper.until(lambda: bool(speech_whisper.work) and speech_whisper.work[0].audio is not None)
    form.end(language="en")

    response = await answering
    assert b"transcript.text.done" in await response.read()
    last = speech_whisper.work[-1]
    assert (last.value("language"), last.parts[-1]) == ("en", "file")
    assert last.audio
    assert last.audio.sha256 == form.sha256


async def test_an_option_after_the_first_segment_is_an_error(bridge: Bridge, early: FakeEarlyWhisper) -> None:
    form = Arriving()
    form.fields(stream="true")
    form.begin(OPENING)
    form.audio(bytes(MIB))
    async with bridge.client.post(TRANSCRIPTIONS, data=form, headers=HEADERS) as response:
        events = told(response.content)
        first = await anext(events)
        form.end(language="en")
        others = [item async for item in events]

    assert (first["type"], [item["type"] for item in others]) == (DELTA, ["error"])
    assert others[0]["error"]["code"] == "field_after_file"
    assert len(early.work) == 1


async def test_an_upload_that_ends_early_after_a_segment_is_an_error(bridge: Bridge, early: FakeEarlyWhisper) -> None:
    form = Arriving()
    form.fields(stream="true")
    form.begin(OPENING)
    form.audio(bytes(MIB))
    async with bridge.client.post(TRANSCRIPTIONS, data=form, headers=HEADERS) as response:
        events = told(response.content)
        await anext(events)
        form.end_too_early()
        others = [item async for item in events]

    assert [(item["type"], item["error"]["code"]) for item in others] == [("error", "bad_multipart")]
    await early.until(lambda: early.work[0].disconnected)
    assert bridge.service.budgets.memory.used == 0


async def test_a_deadline_ends_the_upload_too(
    start_bridge: StartBridge, early: FakeEarlyWhisper, ollama: FakeOllama
) -> None:
    bridge = await start_bridge(
        whisper_url=early.url,
        ollama_url=ollama.url,
        transcriber="openai",
        stream_min_rate=1,
        slot_idle_timeout=5.0,
        request_timeout=0.2,
    )
    form = Arriving()
    form.fields(stream="true")
    form.begin(OPENING)
    form.audio(bytes(MIB))
    async with bridge.client.post(TRANSCRIPTIONS, data=form, headers=HEADERS) as response:
        items = [item async for item in told(response.content)]

    assert [item["type"] for item in items] == [DELTA, "error"]
    assert items[-1]["error"]["code"] == "deadline_exceeded"
    await early.until(lambda: early.work[0].disconnected)
    assert bridge.service.admission.open == 0


@pytest.mark.parametrize(
    ("code", "status", "param"), [("bad_field", 400, "prompt"), ("unknown_language", 400, "language")]
)
async def test_an_option_that_whisper_rejects_in_its_stream_is_the_callers(
    streaming_bridge: Bridge, speech_whisper: FakeSpeechWhisper, code: str, status: int, param: str
) -> None:
    error = {"type": "error", "error": {"message": "It is wrong.", "code": code, "param": param}}
    speech_whisper.script(Answer(body=event(error), content_type="text/event-stream"))

    data = multipart(part("file", b"\x1aE\xdf\xa3" + bytes(1000), filename="a.webm"))  # of unknown duration
    async with streaming_bridge.client.post(TRANSCRIPTIONS, data=data, headers=HEADERS) as response:
        answer = (await response.json())["error"]

    assert (response.status, answer["code"], answer["param"]) == (status, code, param)
    assert len(speech_whisper.work) == 1


async def test_a_stream_that_fails_before_a_segment_is_retried(
    streaming_bridge: Bridge, speech_whisper: FakeSpeechWhisper
) -> None:
    speech_whisper.script(StreamError(after=0))

    async with streaming_bridge.client.post(
        TRANSCRIPTIONS,
        data=multipart(part("stream", "true"), part("file", WAV, filename="a.wav")),
        headers=HEADERS,
    ) as response:
        items = [item async for item in told(response.content)]

    assert items[-1]["type"] == "transcript.text.done"
    assert len(speech_whisper.work) == 2
