"""Transcripts of hours, in each format; and whether Whisper is asked to stream."""

import json
from typing import Any

import pytest

from bridge.running import WAV, Bridge, StartBridge, form, wav
from bridge.wire import all_events
from fakes.ollama import FakeOllama
from fakes.speech_whisper import FakeSpeechWhisper
from fakes.transcripts import Segment, Transcript
from fakes.whisper import FakeAsrWebservice
from speechbridge.api import formats, json_response
from speechbridge.transcribers import transcript

pytestmark = pytest.mark.unit

HOURS = Transcript(
    tuple(Segment(number * 3.0, number * 3.0 + 2.5, f" Sentence {number} is spoken.") for number in range(4000)),
    duration=12_000.0,
)
WORDS = {"response_format": "verbose_json", "timestamp_granularities[]": "word"}


async def transcribed(bridge: Bridge, audio: bytes = WAV, **fields: str) -> Any:
    async with bridge.client.post(
        "/v1/audio/transcriptions", data=form(audio, model="whisper-1", **fields)
    ) as response:
        assert response.status == 200, await response.text()
        return await response.json() if response.content_type == "application/json" else await response.text()


async def test_a_transcript_of_hours_has_all_its_segments_and_words(
    streaming_bridge: Bridge, speech_whisper: FakeSpeechWhisper
) -> None:
    speech_whisper.transcript = HOURS

    document = await transcribed(streaming_bridge, wav(61.0, 8_000), **WORDS, timestamp_granularities="segment")

    assert [segment["text"] for segment in document["segments"]] == [segment.text for segment in HOURS.segments]
    assert len(document["words"]) == sum(len(segment.text.split()) for segment in HOURS.segments)
    assert document["text"] == HOURS.text.strip()


@pytest.mark.parametrize(("chosen", "cues"), [("srt", " --> "), ("vtt", " --> "), ("text", "spoken.")])
async def test_a_transcript_of_hours_as_text(
    streaming_bridge: Bridge, speech_whisper: FakeSpeechWhisper, chosen: str, cues: str
) -> None:
    speech_whisper.transcript = HOURS

    text = await transcribed(streaming_bridge, response_format=chosen)

    assert text.count(cues) == 4000


def test_long_lists_are_encoded_like_short_ones() -> None:
    document = {"text": 'größer "so" \ud800', "items": [{"number": number} for number in range(2000)], "none": []}

    assert json_response.encode(document) == json.dumps(document, ensure_ascii=False).encode(errors="replace")


def test_a_command_is_rendered_at_once_and_hours_are_not() -> None:
    def of(count: int) -> transcript.Transcript:
        segments = (transcript.Segment(number, 0.0, 1.0, "") for number in range(count))
        return transcript.Transcript("", "en", 1.0, tuple(segments))

    assert not formats.is_large(of(10))
    assert formats.is_large(of(4000))


@pytest.mark.parametrize(
    ("audio", "fields", "streams"),
    [
        pytest.param(wav(60.0, 8_000), {}, "false", id="a minute"),
        pytest.param(wav(61.0, 8_000), {}, "true", id="longer"),
        pytest.param(b"OggS\x00\x02" + bytes(100), {}, "true", id="of unknown duration"),
        pytest.param(wav(1.0), {"stream": "true"}, "true", id="for a caller who streams"),
    ],
)
async def test_whisper_streams_where_it_helps(
    start_bridge: StartBridge, speech_whisper: FakeSpeechWhisper, audio: bytes, fields: dict[str, str], streams: str
) -> None:
    whole_uploads = {"stream_start_bytes": 2 * 2**20}
    bridge = await start_bridge(whisper_url=speech_whisper.url, transcriber="openai", **whole_uploads)

    await transcribed(bridge, audio, **fields)

    assert speech_whisper.work[-1].value("stream") == streams


async def test_the_words_of_a_server_that_does_not_stream_reach_the_stream(
    start_bridge: StartBridge, asr: FakeAsrWebservice, ollama: FakeOllama
) -> None:
    bridge = await start_bridge(whisper_url=asr.url, ollama_url=ollama.url)

    async with bridge.client.post("/v1/audio/transcriptions", data=form(WAV, stream="true", **WORDS)) as response:
        events = [event.data for event in await all_events(response)]

    assert [event["type"] for event in events] == ["transcript.text.delta"] * 3 + ["transcript.text.done"]
    words = [word["word"] for event in events[:-1] for word in event["segment"]["words"]]
    assert words == events[-1]["text"].split()
