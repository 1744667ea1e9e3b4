"""Whatever its body is, a request goes through both gates, and has its share of the memory."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any

import pytest

from bridge.chats import BASE64, asked, input_audio
from bridge.running import WAV, Bridge, StartBridge
from bridge.wire import BOUNDARY, Connection, Reply, multipart, part
from fakes.gates import Point
from fakes.openai_chat import FakeOpenAIChat
from fakes.speech_whisper import FakeSpeechWhisper

pytestmark = pytest.mark.unit

FORM = f"multipart/form-data; boundary={BOUNDARY}"
RECORDED = {"input": [{"role": "user", "content": [input_audio(BASE64, format="wav")]}]}


@dataclass(frozen=True)
class Sent:
    """A request with a recording."""

    path: str
    content_type: str
    body: bytes

    @property
    def head(self) -> bytes:
        head = f"POST {self.path} HTTP/1.1\r\nHost: bridge\r\nContent-Type: {self.content_type}\r\n"
        return f"{head}Content-Length: {len(self.body)}\r\n\r\n".encode()


def form(path: str, **fields: str) -> Sent:
    parts = [part(name, value) for name, value in fields.items()]
    return Sent(path, FORM, multipart(*parts, part("file", WAV, filename="a.wav")))


def document(path: str, value: Any) -> Sent:
    return Sent(path, "application/json", json.dumps(value).encode())


SENT = {
    "a form": form("/process"),
    "a form of OpenAI's": form("/v1/audio/transcriptions"),
    "a recording": Sent("/process", "audio/wav", WAV),
    "a recording for OpenAI's route": Sent("/v1/audio/transcriptions", "audio/wav", WAV),
    "a chat": document("/v1/chat/completions", asked(input_audio(BASE64, format="wav"))),
    "input": document("/v1/responses", RECORDED),
    "streamed input": document("/v1/responses", {**RECORDED, "stream": True}),
    "a streamed form": form("/v1/audio/transcriptions", stream="true"),
}
each = pytest.mark.parametrize("sent", SENT.values(), ids=SENT)


@pytest.fixture
async def narrow(start_bridge: StartBridge, speech_whisper: FakeSpeechWhisper, openai_chat: FakeOpenAIChat) -> Bridge:
    """A bridge that works on one request at a time, and queues none."""
    return await start_bridge(
        whisper_url=speech_whisper.url,
        ollama_url=openai_chat.url,
        transcriber="openai",
        generator="openai",
        max_concurrent_requests=1,
        max_queued_requests=0,
    )


async def answered(bridge: Bridge, sent: Sent) -> Reply:
    async with Connection.to(bridge.url) as connection:
        await connection.send(sent.head, sent.body)
        return await connection.reply()


@each
async def test_while_it_arrives_it_has_no_slot_for_work(narrow: Bridge, sent: Sent) -> None:
    async with Connection.to(narrow.url) as connection:
        await connection.send(sent.head, sent.body[:200])
        await narrow.until(lambda: narrow.service.admission.arriving == 1)

        other = await answered(narrow, sent)
        await connection.send(sent.body[200:])
        reply = await connection.reply()

    assert (other.status, reply.status) == (200, 200)
    assert narrow.service.admission.open == 0


@each
async def test_while_it_is_worked_on_it_has_a_slot_and_memory(
    narrow: Bridge, speech_whisper: FakeSpeechWhisper, sent: Sent
) -> None:
    gate = speech_whisper.hold(Point.BEFORE_ANSWER)
    asking = asyncio.create_task(answered(narrow, sent))
    await gate.reached()

    held = narrow.service.budgets.memory.used
    refused = await answered(narrow, sent)
    gate.release()

    assert (refused.status, (await asking).status) == (503, 200)
    assert int(refused.headers["retry-after"]) >= 1
    assert held >= len(sent.body)
    assert narrow.service.budgets.memory.used == 0


@each
async def test_without_memory_it_is_refused_before_it_is_read(
    narrow: Bridge, speech_whisper: FakeSpeechWhisper, sent: Sent
) -> None:
    memory = narrow.service.budgets.memory
    with memory.held() as others:
        others.grow_to(memory.limit - 100)
        async with Connection.to(narrow.url) as connection:
            await connection.send(sent.head)
            reply = await connection.reply()

    assert reply.status == 503
    assert b"The memory for requests is exhausted" in reply.body
    assert int(reply.headers["retry-after"]) >= 1
    assert (memory.used, narrow.service.admission.open, speech_whisper.work) == (0, 0, [])


async def test_a_stream_that_is_refused_is_not_kept_alive(narrow: Bridge, speech_whisper: FakeSpeechWhisper) -> None:
    """Its comments would be sent on a connection that has other responses by then."""
    recording = SENT["a form"]
    gate = speech_whisper.hold(Point.BEFORE_ANSWER)
    async with Connection.to(narrow.url) as connection:
        streamed = SENT["a streamed form"]
        await connection.send(streamed.head, streamed.body[:200])
        await narrow.until(lambda: narrow.service.admission.arriving == 1)
        asking = asyncio.create_task(answered(narrow, recording))
        await gate.reached()
        await connection.send(streamed.body[200:])
        refused = await connection.reply()
        await narrow.until(lambda: narrow.service.admission.open == 1)
        coroutines = [str(task.get_coro()) for task in asyncio.all_tasks()]
    gate.release()

    assert (refused.status, (await asking).status) == (503, 200)
    assert not [name for name in coroutines if "_keep_alive" in name]
