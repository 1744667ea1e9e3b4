"""Segments before the upload ends, from the real Whisper: tiny.en."""

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import aiohttp
import pytest

from bridge.arriving import HEADERS, Arriving
from bridge.running import Bridge, StartBridge
from contract.conftest import entered, or_missing
from contract.recordings import BYTES_OF_40_S, long_recording
from fakes.openai_chat import FakeOpenAIChat
from speechlocal import stack
from speechlocal.children import free_port, running
from speechlocal.loopback import address

pytestmark = pytest.mark.component

PATIENCE_S = 240.0
"""The upload pauses until the first segment has come."""
FIRST = {"/v1/audio/transcriptions": "transcript.text.delta", "/process": "transcript.delta"}
DONE = {"/v1/audio/transcriptions": "transcript.text.done", "/process": "transcript.done"}


@pytest.fixture(scope="module")
def whisper() -> Iterator[str]:
    port = free_port()
    program = stack.whisper_program(port)
    patient = replace(program, environment={**program.environment, "UPLOAD_STALL_TIMEOUT": str(PATIENCE_S)})
    with or_missing("Whisper server"), entered(running([patient])):
        yield address(port)


@pytest.fixture
async def bridge(start_bridge: StartBridge, whisper: str, openai_chat: FakeOpenAIChat) -> Bridge:
    """A bridge to which no upload is slow, however slow this machine is."""
    return await start_bridge(
        whisper_url=whisper,
        ollama_url=openai_chat.url,
        transcriber="openai",
        generator="openai",
        models="",
        stream_min_rate=1,
        slot_idle_timeout=PATIENCE_S,
        queue_timeout=PATIENCE_S,
        upload_stall_timeout=PATIENCE_S,
        upload_min_rate=1,
    )


async def told(answer: aiohttp.ClientResponse) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """The events as they come: their type and data. An answer that is no stream fails the test with what it says."""
    assert answer.content_type == "text/event-stream", f"{answer.status}: {await answer.text()}"
    kind = ""
    async for line in answer.content:
        name, _, value = line.decode().strip().partition(": ")
        if name == "event":
            kind = value
        elif name == "data" and value != "[DONE]":
            data = json.loads(value)
            yield kind or data["type"], data


@pytest.mark.parametrize("path", FIRST)
async def test_a_segment_comes_before_the_upload_ends_and_the_text_is_complete(bridge: Bridge, path: str) -> None:
    recording = long_recording()
    at_once, paused = Arriving(), Arriving()
    for form in (at_once, paused):
        form.fields(stream="true", language="en")
    at_once.begin(recording)
    at_once.end()
    async with bridge.client.post(path, data=at_once, headers=HEADERS) as answer:
        expected = dict([item async for item in told(answer)])[DONE[path]]["text"]

    paused.begin(recording[:BYTES_OF_40_S])
    async with bridge.client.post(path, data=paused, headers=HEADERS) as answer:
        events = told(answer)
        kind, _ = await anext(events)
        assert kind == FIRST[path]
        paused.audio(recording[BYTES_OF_40_S:])
        paused.end()
        others = dict([item async for item in events])

    assert others[DONE[path]]["text"] == expected
    assert expected.count("selfish") == 3
