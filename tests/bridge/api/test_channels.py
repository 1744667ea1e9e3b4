"""`channels=separate`, as for calls: from the form to Whisper, and each segment's channel back to the caller."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from bridge.running import form
from bridge.wire import multipart, part

if TYPE_CHECKING:
    from bridge.running import Bridge
    from fakes.speech_whisper import FakeSpeechWhisper
    from fakes.whisper import FakeAsrWebservice

pytestmark = pytest.mark.unit

PROCESS, TRANSCRIPTIONS = "/process", "/v1/audio/transcriptions"
LINES = [
    "[Channel 0]: He was not an ill-disposed young man,",
    "[Channel 1]: unless to be rather cold-hearted",
    "[Channel 0]: and rather selfish is to be ill-disposed.",
]


@pytest.fixture
def call(speech_whisper: FakeSpeechWhisper) -> FakeSpeechWhisper:
    speech_whisper.channels = 2
    return speech_whisper


async def send(bridge: Bridge, path: str, **fields: str) -> str:
    async with bridge.client.post(path, data=form(b"", **fields)) as response:
        assert response.status == 200, await response.text()
        return await response.text()


def events(stream: str) -> list[dict[str, Any]]:
    return [json.loads(line.removeprefix("data: ")) for line in stream.splitlines() if line.startswith("data: ")]


@pytest.mark.parametrize("path", [PROCESS, TRANSCRIPTIONS])
async def test_they_are_requested_before_the_file(streaming_bridge: Bridge, call: FakeSpeechWhisper, path: str) -> None:
    await send(streaming_bridge, path, channels="separate")

    assert "channels" in call.work[0].before_the_file
    assert call.work[0].value("channels") == "separate"


@pytest.mark.parametrize("path", [PROCESS, TRANSCRIPTIONS])
@pytest.mark.parametrize("channels", ["mixed", ""])
async def test_they_are_not_requested_otherwise(
    streaming_bridge: Bridge, call: FakeSpeechWhisper, path: str, channels: str
) -> None:
    await send(streaming_bridge, path, channels=channels)

    assert call.work[0].value("channels") is None


@pytest.mark.parametrize("path", [PROCESS, TRANSCRIPTIONS])
async def test_they_may_follow_the_file(streaming_bridge: Bridge, call: FakeSpeechWhisper, path: str) -> None:
    data = multipart(part("file", b"RIFF\0\0\0\0WAVEfmt ", filename="a.wav"), part("channels", "separate"))
    headers = {"Content-Type": "multipart/form-data; boundary=a-boundary"}

    async with streaming_bridge.client.post(path, data=data, headers=headers) as response:
        assert response.status == 200, await response.text()

    assert "channels" in call.work[-1].before_the_file


async def test_process_names_them_in_the_transcription(streaming_bridge: Bridge, call: FakeSpeechWhisper) -> None:
    del call
    answer = json.loads(await send(streaming_bridge, PROCESS, channels="separate"))

    assert answer["transcription"].splitlines() == LINES
    assert answer["warnings"] == []


async def test_the_events_of_process_name_them(streaming_bridge: Bridge, call: FakeSpeechWhisper) -> None:
    del call
    stream = await send(streaming_bridge, PROCESS, channels="separate", stream="true")

    deltas = [event for event in events(stream) if "channel" in event]
    assert [event["channel"] for event in deltas] == [0, 1, 0]
    assert "".join(event["text"] for event in deltas).splitlines() == LINES


async def test_verbose_json_names_them(streaming_bridge: Bridge, call: FakeSpeechWhisper) -> None:
    del call
    body = json.loads(
        await send(
            streaming_bridge,
            TRANSCRIPTIONS,
            channels="separate",
            response_format="verbose_json",
            **{"timestamp_granularities[]": "word"},
        )
    )

    assert body["text"].splitlines() == LINES
    assert {word["channel"] for word in body["words"]} == {0, 1}


async def test_the_segments_of_verbose_json_name_them(streaming_bridge: Bridge, call: FakeSpeechWhisper) -> None:
    del call
    body = json.loads(await send(streaming_bridge, TRANSCRIPTIONS, channels="separate", response_format="verbose_json"))

    assert [segment["channel"] for segment in body["segments"]] == [0, 1, 0]


async def test_the_events_of_a_transcription_name_them(streaming_bridge: Bridge, call: FakeSpeechWhisper) -> None:
    del call
    *deltas, done = events(await send(streaming_bridge, TRANSCRIPTIONS, channels="separate", stream="true"))

    assert [event["segment"]["channel"] for event in deltas] == [0, 1, 0]
    assert "".join(event["delta"] for event in deltas).splitlines() == done["text"].splitlines() == LINES


@pytest.mark.parametrize(
    ("response_format", "line"),
    [("srt", LINES[1]), ("vtt", "<v Channel 1>unless to be rather cold-hearted"), ("text", LINES[1])],
)
async def test_each_format_names_them(
    streaming_bridge: Bridge, call: FakeSpeechWhisper, response_format: str, line: str
) -> None:
    del call
    text = await send(streaming_bridge, TRANSCRIPTIONS, channels="separate", response_format=response_format)

    assert line in text.splitlines()


@pytest.mark.parametrize("response_format", ["verbose_json", "srt", "vtt", "text"])
async def test_without_the_option_nothing_names_them(
    streaming_bridge: Bridge, call: FakeSpeechWhisper, response_format: str
) -> None:
    del call
    text = await send(streaming_bridge, TRANSCRIPTIONS, response_format=response_format)

    assert "channel" not in text.lower()


async def test_a_server_that_mixes_them_all_the_same_is_reported(bridge: Bridge, asr: FakeAsrWebservice) -> None:
    answer = json.loads(await send(bridge, PROCESS, channels="separate"))

    assert asr.work[0].query["channels"] == "separate"
    assert [warning["code"] for warning in answer["warnings"]] == ["channels_mixed"]
