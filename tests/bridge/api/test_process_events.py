"""`POST /process` as Server-Sent Events."""

from collections.abc import AsyncIterator

import pytest

from bridge.running import WAV, Bridge, StartBridge, form
from bridge.wire import Event, all_events, events, types
from fakes.faults import Answer, HangUp, StreamError, status
from fakes.gates import Point
from fakes.ollama import FakeOllama
from fakes.openai_chat import FakeOpenAIChat
from fakes.speech_whisper import FakeSpeechWhisper
from fakes.transcripts import SILENCE
from fakes.whisper import FakeAsrWebservice
from speechbridge.api import event_stream

pytestmark = pytest.mark.unit

ORDER = ["transcript.delta", "transcript.done", "response.delta", "response.done"]


async def ask(bridge: Bridge, **fields: str) -> list[Event]:
    async with await bridge.process(WAV, stream="true", **fields) as response:
        assert response.status == 200
        return await all_events(response)


async def an_event(stream: AsyncIterator[Event | str]) -> Event:
    item = await anext(stream)
    assert isinstance(item, Event)
    return item


async def test_sends_segments_the_transcript_the_response_and_the_whole_answer(
    streaming_bridge: Bridge, speech_whisper: FakeSpeechWhisper, openai_chat: FakeOpenAIChat
) -> None:
    told = await ask(streaming_bridge)

    assert types(told) == ORDER
    segments = [event.data for event in told if event.type == "transcript.delta"]
    assert [segment["text"] for segment in segments] == [item.text for item in speech_whisper.transcript.segments]
    assert segments[0] == {"text": " He was not an ill-disposed young man,", "start": 0.0, "end": 2.4}
    done = next(event.data for event in told if event.type == "transcript.done")
    text = speech_whisper.transcript.text.strip()
    assert done.pop("coverage")["audio_seconds"] == 5.8
    assert done == {"text": text, "language": "en", "audio_seconds": 5.8, "warnings": []}
    said = "".join(event.data["text"] for event in told if event.type == "response.delta")
    assert said == "".join(openai_chat.tokens)


async def test_the_last_event_equals_the_json_answer(streaming_bridge: Bridge) -> None:
    told = await ask(streaming_bridge)
    _, answer = await streaming_bridge.json()

    for document in (told[-1].data, answer):
        del document["timings"], document["process_time_ms"]
    assert told[-1].data == answer


async def test_without_segments_starts_with_the_transcript(bridge: Bridge) -> None:
    assert types(await ask(bridge)) == ORDER[1:]


@pytest.mark.parametrize("accept", ["text/event-stream", "application/json;q=0.1, Text/Event-Stream ; q=0.9"])
async def test_the_accept_header_requests_events_too(bridge: Bridge, accept: str) -> None:
    async with bridge.client.post("/process", data=form(WAV), headers={"Accept": accept}) as response:
        assert response.content_type == "text/event-stream"
        assert types(await all_events(response)) == ORDER[1:]


@pytest.mark.parametrize("accept", ["application/json, text/event-stream;q=0", "text/event-stream; q=0.000", "*/*"])
async def test_the_accept_header_rejects_events(bridge: Bridge, accept: str) -> None:
    async with bridge.client.post("/process", data=form(WAV), headers={"Accept": accept}) as response:
        assert response.content_type == "application/json"


async def test_asks_proxies_not_to_buffer(bridge: Bridge) -> None:
    headers = {"X-Request-ID": "call-42"}
    async with bridge.client.post("/process", data=form(WAV, stream="1"), headers=headers) as response:
        assert response.headers["Cache-Control"] == "no-cache"
        assert response.headers["X-Accel-Buffering"] == "no"
        assert response.headers["X-Request-ID"] == "call-42"


async def test_each_event_goes_out_as_soon_as_it_is_known(
    streaming_bridge: Bridge, speech_whisper: FakeSpeechWhisper, openai_chat: FakeOpenAIChat
) -> None:
    segments = speech_whisper.hold(Point.BETWEEN_TOKENS)
    tokens = openai_chat.hold(Point.BETWEEN_TOKENS)

    async with await streaming_bridge.process(WAV, stream="true") as response:
        told = events(response)
        first = await anext(told)
        await segments.reached()
        segments.release()
        following = [await anext(told) for _ in range(4)]
        await tokens.reached()
        tokens.release()
        last = [item async for item in told]

    assert isinstance(first, Event)
    assert first.type == "transcript.delta"
    assert types(item for item in following if isinstance(item, Event)) == ORDER[:3]
    assert isinstance(last[-1], Event)
    assert last[-1].type == "response.done"


async def test_comments_keep_a_quiet_answer_alive(
    bridge: Bridge, ollama: FakeOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_stream, "_KEEP_ALIVE_INTERVAL_S", 0.02)
    gate = ollama.hold(Point.BEFORE_ANSWER)

    async with await bridge.process(WAV, stream="true") as response:
        told = events(response)
        items: list[Event | str] = []
        while items.count(": keep-alive") < 3:
            items.append(await anext(told))
        gate.release()
        items += [item async for item in told]

    assert types(item for item in items if isinstance(item, Event)) == ORDER[1:]


async def test_silence_is_an_answer(start_bridge: StartBridge, ollama: FakeOllama) -> None:
    async with FakeAsrWebservice(SILENCE) as asr:
        bridge = await start_bridge(whisper_url=asr.url, ollama_url=ollama.url)
        told = await ask(bridge)

    assert types(told) == ["transcript.done", "response.done"]
    for event in told:
        assert [warning["code"] for warning in event.data["warnings"]] == ["no_speech"]
    assert told[0].data["text"] == told[1].data["response"] == ""


async def test_a_failed_generation_is_an_event_and_the_answer_still_follows(bridge: Bridge, ollama: FakeOllama) -> None:
    ollama.always(StreamError(after=2))
    gate = ollama.hold(Point.BETWEEN_TOKENS)

    async with await bridge.process(WAV, stream="true") as response:
        stream = events(response)
        told: list[Event] = [await an_event(stream) for _ in range(2)]
        gate.release()
        told += [item async for item in stream if isinstance(item, Event)]

    assert types(told) == ["transcript.done", "response.delta", "error", "response.done"]
    error, done = told[-2].data, told[-1].data
    assert (error["code"], error["stage"]) == ("generator_failed", "generate")
    assert done["response"] == f"Ollama processing failed: {error['message']}"
    assert done["error"] == {"code": error["code"], "message": error["message"]}
    assert done["partial_response"].startswith("The")
    assert done["transcription"]


def in_flight_at_errors(bridge: Bridge, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of requests in flight, recorded from now on whenever an error event is sent."""
    seen: list[int] = []
    send = event_stream.EventStream.send

    async def recorded(stream: event_stream.EventStream, data: bytes) -> None:
        if data.startswith(b"event: error"):
            seen.append(bridge.service.admission.in_flight)
        await send(stream, data)

    monkeypatch.setattr(event_stream.EventStream, "send", recorded)
    return seen


async def test_a_failure_is_sent_while_the_request_is_in_flight(
    bridge: Bridge, ollama: FakeOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So a shutdown waits for it."""
    ollama.always(StreamError(after=0))
    in_flight = in_flight_at_errors(bridge, monkeypatch)

    await ask(bridge)

    assert in_flight == [1]


async def test_the_deadline_frees_the_slot_before_its_error_is_sent(
    start_bridge: StartBridge, asr: FakeAsrWebservice, ollama: FakeOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So a client that does not read its events cannot occupy the slot."""
    bridge = await start_bridge(whisper_url=asr.url, ollama_url=ollama.url, request_timeout=1.0)
    ollama.hold(Point.BETWEEN_TOKENS)
    in_flight = in_flight_at_errors(bridge, monkeypatch)

    await ask(bridge)

    assert in_flight == [0]


async def test_a_failure_before_the_first_event_is_an_ordinary_error(bridge: Bridge, asr: FakeAsrWebservice) -> None:
    asr.always(HangUp())

    async with await bridge.process(WAV, stream="true") as response:
        assert response.status == 502
        assert response.content_type == "application/problem+json"
        assert (await response.json())["code"] == "transcriber_failed"


async def test_a_failure_between_segments_ends_the_events(
    streaming_bridge: Bridge, speech_whisper: FakeSpeechWhisper
) -> None:
    speech_whisper.always(StreamError(after=1, message="out of memory"))

    told = await ask(streaming_bridge)

    assert types(told) == ["transcript.delta", "error"]
    assert told[-1].data["stage"] == "transcribe"
    assert told[-1].data["code"] == "transcriber_failed"
    assert len(speech_whisper.work) == 1


async def test_the_deadline_ends_events_with_the_transcription(
    start_bridge: StartBridge, asr: FakeAsrWebservice, ollama: FakeOllama
) -> None:
    bridge = await start_bridge(whisper_url=asr.url, ollama_url=ollama.url, request_timeout=1.0)
    ollama.hold(Point.BETWEEN_TOKENS)

    told = await ask(bridge)

    assert types(told) == ["transcript.done", "response.delta", "error", "response.done"]
    assert told[-2].data["code"] == "deadline_exceeded"
    assert told[-1].data["transcription"] == asr.transcript.text.strip()
    await ollama.until(lambda: ollama.work[0].disconnected)


async def test_a_failure_before_the_first_token_is_retried_unnoticed(bridge: Bridge, ollama: FakeOllama) -> None:
    ollama.script(status(500, "llama runner process has terminated"))

    told = await ask(bridge)

    assert types(told) == ORDER[1:]
    assert len(ollama.work) == 2


async def test_a_client_that_disconnects_cancels_the_generation(bridge: Bridge, ollama: FakeOllama) -> None:
    gate = ollama.hold(Point.BETWEEN_TOKENS)

    async with await bridge.process(WAV, stream="true") as response:
        await gate.reached()
        response.close()
        await ollama.until(lambda: ollama.work[0].disconnected)


async def test_a_lone_surrogate_in_the_response_is_replaced(bridge: Bridge, ollama: FakeOllama) -> None:
    lines = (
        rb'{"message":{"content":"\ud83d"},"done":false}' + b"\n" + rb'{"message":{"content":""},"done":true}' + b"\n"
    )
    ollama.always(Answer(200, lines))

    told = await ask(bridge)
    _, answer = await bridge.json()

    assert told[-1].data["response"] == answer["response"] == "?"
