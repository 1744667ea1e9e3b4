"""What of a chat is forwarded to the model server, and how its responses are passed on."""

import asyncio
import json

import pytest

from bridge.chats import BASE64, CHAT, Json, asked, chat, input_audio
from bridge.running import Bridge, StartBridge
from bridge.wire import all_events
from fakes.faults import Answer, Fragmented, status
from fakes.gates import Point
from fakes.openai_chat import FakeOpenAIChat
from fakes.speech_whisper import FakeSpeechWhisper
from speechbridge.api import event_stream
from speechbridge.api.chat_request import REFUSED_MEMBERS
from speechbridge.upstreams import sse

pytestmark = pytest.mark.unit

TEXT_PART = {"type": "text", "text": "You are brief."}


async def test_a_chat_without_recordings_is_forwarded_as_it_is(
    streaming_bridge: Bridge, openai_chat: FakeOpenAIChat
) -> None:
    members = {"temperature": 0.3, "tools": [{"type": "function", "function": {"name": "f"}}], "n": 2, "unknown": [1]}
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}

    await chat(streaming_bridge, {**asked(TEXT_PART, image), **members})

    assert openai_chat.work[0].json == {**asked(TEXT_PART, image), **members, "model": "smollm2"}


# What is not forwarded.


@pytest.mark.parametrize("name", REFUSED_MEMBERS)
async def test_dangerous_members_are_refused(streaming_bridge: Bridge, openai_chat: FakeOpenAIChat, name: str) -> None:
    got, answer = await chat(streaming_bridge, {**CHAT, name: "{{ 1 }}"})

    assert (got, answer["error"]["code"], answer["error"]["param"]) == (400, "bad_field", name)
    assert openai_chat.work == []


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"n": 100}, "n"),
        ({"n": True}, "n"),
        ({"tools": {}}, "tools"),
        ({"tools": ["f"]}, "tools"),
        ({"tools": [{"type": "function"}]}, "tools"),
        ({"tools": [{"type": "function", "function": {}}]}, "tools"),
        (asked({"type": "image_url", "image_url": {"url": "http://169.254.169.254/"}}), "messages"),
        (asked({"type": "image_url", "image_url": "file:///etc/passwd"}), "messages"),
        (asked({"type": "video_url", "video_url": {}}), "messages"),
    ],
)
async def test_what_would_harm_or_confuse_the_model_server_is_refused(
    streaming_bridge: Bridge, openai_chat: FakeOpenAIChat, members: Json, param: str
) -> None:
    got, answer = await chat(streaming_bridge, {**CHAT, **members})

    assert (got, answer["error"]["code"], answer["error"]["param"]) == (400, "bad_field", param)
    assert openai_chat.work == []


async def test_urls_of_media_are_forwarded_where_the_setting_allows_it(
    start_bridge: StartBridge, speech_whisper: FakeSpeechWhisper, openai_chat: FakeOpenAIChat
) -> None:
    bridge = await start_bridge(
        whisper_url=speech_whisper.url, llm_url=openai_chat.url, models="smollm2", forward_media_urls=True
    )
    part = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}

    got, _ = await chat(bridge, asked(part))

    assert got == 200
    assert openai_chat.work[0].json["messages"][0]["content"] == [part]


@pytest.mark.parametrize("words", ["image input is not supported - hint: mmproj", "Failed to parse tools: no function"])
async def test_a_500_over_the_request_is_the_callers_fault(
    streaming_bridge: Bridge, openai_chat: FakeOpenAIChat, words: str
) -> None:
    openai_chat.always(status(500, words))

    got, answer = await chat(streaming_bridge, CHAT)

    assert (got, answer["error"]["code"]) == (400, "generator_refused")
    assert len(openai_chat.work) == 1
    assert bridge_is_unhurt(streaming_bridge)


async def test_a_500_of_a_broken_pod_is_not(streaming_bridge: Bridge, openai_chat: FakeOpenAIChat) -> None:
    openai_chat.always(status(500, "CUDA error: the provided PTX was compiled with an unsupported toolchain"))

    got, answer = await chat(streaming_bridge, CHAT)

    assert (got, answer["error"]["code"]) == (502, "generator_failed")


@pytest.mark.parametrize("code", [401, 403, 405, 407, 415])
async def test_a_server_that_rejects_the_bridge_is_no_fault_of_the_caller(
    streaming_bridge: Bridge, openai_chat: FakeOpenAIChat, code: int
) -> None:
    openai_chat.always(status(code, "Incorrect API key provided: sk-secret"))

    got, answer = await chat(streaming_bridge, CHAT)
    _, processed = await streaming_bridge.json()

    assert (got, answer["error"]["code"]) == (502, "generator_failed")
    assert processed["error"]["code"] == "generator_failed"
    assert "sk-secret" not in json.dumps([answer, processed])
    assert len(openai_chat.work) == 2
    assert bridge_is_unhurt(streaming_bridge)


def bridge_is_unhurt(bridge: Bridge) -> bool:
    """Whether the pod gets the next request at once."""
    return all(pod.health.ejected_until == 0 for pod in bridge.service.llm.endpoints)


# Streams of other servers.

CHUNK = {"id": "c", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": "Hi"}}]}
END = {**CHUNK, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}


def events(*data: object, end: str = "\n\n", field: str = "data: ") -> bytes:
    texts = [item if isinstance(item, str) else json.dumps(item) for item in data]
    return "".join(f"{field}{text}{end}" for text in texts).encode()


def stream_of(body: bytes) -> Answer:
    return Answer(body=body, content_type="text/event-stream; charset=utf-8")


@pytest.mark.parametrize(
    "body",
    [
        events(CHUNK, END, "[DONE]"),
        events(CHUNK, END, "[DONE]", end="\r\n\r\n"),
        events(CHUNK, END, "[DONE]", end="\r\r"),
        events(CHUNK, END, "[DONE]", field="data:"),
        events(CHUNK, END, "[DONE]").rstrip(b"\n"),
        b": ping\r\n\r\n" + events(CHUNK, END, "[DONE]", end="\r\n\r\n"),
        events(CHUNK, END),
    ],
)
async def test_a_complete_stream_is_passed_on_and_no_error_follows(
    streaming_bridge: Bridge, openai_chat: FakeOpenAIChat, body: bytes
) -> None:
    openai_chat.always(stream_of(body))

    async with streaming_bridge.client.post("/v1/chat/completions", json={**CHAT, "stream": True}) as response:
        got = await response.read()

    assert got == body
    assert bridge_is_unhurt(streaming_bridge)


@pytest.mark.parametrize("end", ["\n\n", "\r\n\r\n"])
async def test_an_error_in_a_stream_is_reported_once(
    streaming_bridge: Bridge, openai_chat: FakeOpenAIChat, end: str
) -> None:
    openai_chat.always(stream_of(events(CHUNK, {"error": {"message": "out of memory"}}, end=end)))

    async with streaming_bridge.client.post("/v1/chat/completions", json={**CHAT, "stream": True}) as response:
        first, error = sse.Parser().feed(await response.read())

    assert json.loads(first.data) == CHUNK
    assert json.loads(error.data)["error"]["code"] == "generator_failed"
    assert "out of memory" in error.data


def tokens(bridge: Bridge, kind: str) -> float | None:
    return bridge.value("speechbridge_tokens_total", kind=kind, model="smollm2")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fragmented", [False, True])
async def test_tokens_of_chats_are_counted(
    streaming_bridge: Bridge,
    openai_chat: FakeOpenAIChat,
    stream: bool,  # noqa: FBT001 - a case
    fragmented: bool,  # noqa: FBT001 - a case
) -> None:
    if fragmented:
        openai_chat.always(Fragmented(1))

    async with streaming_bridge.client.post("/v1/chat/completions", json={**CHAT, "stream": stream}) as response:
        text = await response.text()

    assert (tokens(streaming_bridge, "prompt"), tokens(streaming_bridge, "completion")) == (5, 8)
    assert ('"usage"' in text) == (not stream)  # a stream that did not ask for it does not have it
    first_token = streaming_bridge.value("speechbridge_time_to_first_token_seconds_count", model="smollm2")
    assert first_token == (1 if stream else None)


async def test_a_stream_that_asks_for_its_usage_has_it(streaming_bridge: Bridge, openai_chat: FakeOpenAIChat) -> None:
    body = {**CHAT, "stream": True, "stream_options": {"include_usage": True, "continuous_usage_stats": False}}

    async with streaming_bridge.client.post("/v1/chat/completions", json=body) as response:
        chunks = [event.data for event in await all_events(response)]

    assert chunks[-2]["usage"]["completion_tokens"] == 8
    assert openai_chat.work[0].json["stream_options"] == body["stream_options"]
    assert tokens(streaming_bridge, "completion") == 8


async def test_a_stream_is_kept_alive_while_its_recording_is_transcribed(
    streaming_bridge: Bridge, speech_whisper: FakeSpeechWhisper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_stream, "_KEEP_ALIVE_INTERVAL_S", 0.01)
    gate = speech_whisper.hold(Point.BEFORE_ANSWER)

    async with streaming_bridge.client.post(
        "/v1/chat/completions", json=asked(input_audio(BASE64), stream=True)
    ) as response:
        async with asyncio.timeout(5):
            first = await response.content.readline()
        gate.release()
        rest = await response.text()

    assert first == b": keep-alive\n"
    assert rest.endswith("data: [DONE]\n\n")


async def test_a_speech_model_is_no_model_for_chats(streaming_bridge: Bridge) -> None:
    got, answer = await chat(streaming_bridge, {**CHAT, "model": "whisper-1"})

    assert (got, answer["error"]["code"]) == (404, "model_not_found")
    assert answer["error"]["message"] == "'whisper-1' transcribes speech; language models available: smollm2."
