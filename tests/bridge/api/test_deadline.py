"""At the deadline a client receives what was transcribed, and is told which setting ended the request."""

import base64
from collections.abc import AsyncIterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bridge.audio.recordings import encoded
from bridge.running import Bridge, StartBridge, form, wav
from bridge.wire import Connection, all_events, exchange, head, multipart, part, types
from fakes.gates import Point
from fakes.openai_chat import FakeOpenAIChat
from fakes.speech_whisper import FakeSpeechWhisper

pytestmark = pytest.mark.unit

HEARD = " He was not an ill-disposed young man,"
RECORDED = b"\x1aE\xdf\xa3" + bytes(20_000)
"""As a browser records it: nothing in it tells its duration, so Whisper is asked for segments."""
TRANSCRIPTIONS = "/v1/audio/transcriptions"


@pytest.fixture
async def stuck(start_bridge: StartBridge, speech_whisper: FakeSpeechWhisper, openai_chat: FakeOpenAIChat) -> Bridge:
    """A bridge whose Whisper stops after the first segment."""
    speech_whisper.hold(Point.BETWEEN_TOKENS)
    return await start_bridge(
        whisper_url=speech_whisper.url,
        ollama_url=openai_chat.url,
        transcriber="openai",
        generator="openai",
        request_timeout=0.4,
    )


async def counted(bridge: Bridge, family: str) -> dict[str, float]:
    """The samples of a counter or a histogram's count, by outcome."""
    async with bridge.client.get("/metrics") as response:
        families = list(text_string_to_metric_families(await response.text()))
    return {
        sample.labels["outcome"]: sample.value
        for found in families
        for sample in found.samples
        if sample.name == family and sample.value and sample.labels.get("stage", "transcribe") == "transcribe"
    }


async def test_process_returns_what_was_transcribed(stuck: Bridge) -> None:
    status, answer = await stuck.json(RECORDED)

    assert status == 200
    assert answer["transcription"] == HEARD.strip()
    assert answer["error"]["code"] == "deadline_exceeded"
    assert "REQUEST_TIMEOUT" in answer["error"]["message"]
    assert answer["response"] == f"Ollama processing failed: {answer['error']['message']}"
    assert [warning["code"] for warning in answer["warnings"]] == ["truncated"]
    assert answer["warnings"][0]["message"].startswith("The transcript ends at 2.4 s.")
    assert answer["audio_seconds"] is None


async def test_processs_events_end_with_what_was_transcribed(stuck: Bridge) -> None:
    async with await stuck.process(RECORDED, stream="true") as response:
        told = await all_events(response)

    assert types(told) == ["transcript.delta", "error", "response.done"]
    assert (told[1].data["code"], told[1].data["stage"]) == ("deadline_exceeded", "transcribe")
    assert told[2].data["transcription"] == HEARD.strip()


@pytest.mark.parametrize("response_format", ["json", "verbose_json"])
async def test_openais_json_carries_what_was_transcribed(stuck: Bridge, response_format: str) -> None:
    data = form(RECORDED, response_format=response_format)
    async with stuck.client.post(TRANSCRIPTIONS, data=data) as response:
        answer = await response.json()

    assert response.status == 200
    assert (answer["text"], answer["truncated"]) == (HEARD.strip(), True)
    assert [warning["code"] for warning in answer["warnings"]] == ["truncated"]
    assert answer["usage"] == {"type": "duration", "seconds": 3}


@pytest.mark.parametrize("response_format", ["text", "srt", "vtt"])
async def test_formats_that_cannot_say_so_are_an_error_with_the_text(stuck: Bridge, response_format: str) -> None:
    data = form(RECORDED, response_format=response_format)
    async with stuck.client.post(TRANSCRIPTIONS, data=data) as response:
        error = (await response.json())["error"]

    assert (response.status, error["code"]) == (504, "deadline_exceeded")
    assert error["transcription"] == HEARD.strip()
    assert response.headers["X-Should-Retry"] == "false"


async def test_openais_stream_ends_with_an_error_that_names_the_setting(stuck: Bridge) -> None:
    async with stuck.client.post(TRANSCRIPTIONS, data=form(RECORDED, stream="true")) as response:
        told = await all_events(response)

    assert [event.data["type"] for event in told] == ["transcript.text.delta", "error"]
    assert told[1].data["error"]["code"] == "deadline_exceeded"
    assert "REQUEST_TIMEOUT" in told[1].data["error"]["message"]


@pytest.mark.parametrize("response_format", ["json", "srt"])
async def test_a_deadline_is_counted_as_one(stuck: Bridge, response_format: str) -> None:
    async with stuck.client.post(TRANSCRIPTIONS, data=form(RECORDED, response_format=response_format)):
        pass

    assert await counted(stuck, "speechbridge_requests_total") == {"deadline": 1}
    assert await counted(stuck, "speechbridge_stage_duration_seconds_count") == {"deadline": 1}


async def reports_speed(bridge: Bridge, whisper: FakeSpeechWhisper, speed: float, after: float = 60.0) -> None:
    """Have Whisper report a speed, in seconds of audio per second, after a recording of so many seconds."""
    bridge.service.backlog.observe(after, after / speed)
    whisper.queue.speed = speed
    whisper.progressed()
    await bridge.until(lambda: bridge.service.whisper.speeds == (speed,))


async def test_a_recording_that_cannot_be_done_in_time_is_refused_before_it_is_sent(
    stuck: Bridge, speech_whisper: FakeSpeechWhisper
) -> None:
    await reports_speed(stuck, speech_whisper, 0.2)
    recording = wav(60)

    async with Connection.to(stuck.url) as connection:
        await connection.send(head("/process", length=len(recording)), part("file", recording[:100], filename="a.wav"))
        reply = await connection.reply()

    document = reply.json()
    assert (reply.status, document["code"], document["param"]) == (413, "audio_too_long", "file")
    longest = stuck.service.time_limits.longest_audio(5.0)
    assert f"up to {longest:.0f} s of audio can" in document["detail"]


def chunked(*pieces: bytes) -> AsyncIterator[bytes]:
    """A body of unknown size."""

    async def send() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    return send()


@pytest.mark.parametrize("path", ["/process", TRANSCRIPTIONS])
@pytest.mark.parametrize("recording", [encoded("ogg", "libopus", rate=48_000), wav(3)], ids=["ogg", "wav in chunks"])
async def test_a_recording_that_turns_out_too_long_once_it_is_complete_is_refused(
    stuck: Bridge, speech_whisper: FakeSpeechWhisper, path: str, recording: bytes
) -> None:
    await reports_speed(stuck, speech_whisper, 0.05)

    headers = {"Content-Type": "audio/ogg"}
    async with stuck.client.post(path, data=chunked(recording[:5000], recording[5000:]), headers=headers) as response:
        document = await response.json()

    assert (response.status, document.get("error", document)["code"]) == (413, "audio_too_long")
    assert speech_whisper.work == []


@pytest.mark.parametrize(
    ("path", "chat"),
    [("/v1/chat/completions", "messages"), ("/v1/responses", "input")],
)
async def test_the_recordings_of_a_chat_are_refused_together_before_one_is_transcribed(
    stuck: Bridge, speech_whisper: FakeSpeechWhisper, path: str, chat: str
) -> None:
    await reports_speed(stuck, speech_whisper, 0.9)
    half = {"type": "input_audio", "input_audio": {"data": base64.b64encode(wav(0.7)).decode(), "format": "wav"}}

    body = {chat: [{"role": "user", "content": [half, half]}]}
    async with stuck.client.post(path, json=body) as response:
        error = (await response.json())["error"]

    assert (response.status, error["code"], error["param"]) == (413, "audio_too_long", chat)
    assert error["message"].startswith("The recordings of 1 s cannot be transcribed")
    assert speech_whisper.work == []


async def test_the_pace_of_an_engine_that_reports_no_speed_counts(bridge: Bridge) -> None:
    for _ in range(5):
        bridge.service.backlog.observe(60.0, 300_000.0)

    status, document = await bridge.json(wav(20))

    assert (status, document["code"]) == (413, "audio_too_long")


async def test_no_recording_is_refused_before_whispers_speed_is_known(bridge: Bridge) -> None:
    for _ in range(4):
        bridge.service.backlog.observe(60.0, 300_000.0)

    status, _ = await bridge.json(wav(20))

    assert status == 200


async def test_what_requests_took_on_a_shared_pod_refuses_nothing(
    streaming_bridge: Bridge, speech_whisper: FakeSpeechWhisper
) -> None:
    for _ in range(16):
        streaming_bridge.service.backlog.observe(300.0, 1050.0)
    await reports_speed(streaming_bridge, speech_whisper, 17.0)

    body = multipart(part("file", wav(600, rate=8000), filename="a.wav"))
    reply = await exchange(streaming_bridge.url, head("/process", length=len(body)), body)

    assert reply.status == 200


async def test_a_speed_that_short_commands_have_lowered_refuses_nothing(
    streaming_bridge: Bridge, speech_whisper: FakeSpeechWhisper
) -> None:
    await reports_speed(streaming_bridge, speech_whisper, 0.35, after=1.4)

    body = multipart(part("file", wav(3600, rate=1000), filename="a.wav"))
    reply = await exchange(streaming_bridge.url, head("/process", length=len(body)), body)

    assert reply.status == 200
