"""Coverage and warnings of the Whisper server reach the client."""

import math
from typing import Any

import pytest

from bridge.running import Bridge, form
from fakes.speech_whisper import FakeSpeechWhisper
from fakes.transcripts import SILENCE
from speechbridge.transcribers.coverage import coverage_from, warnings_from

pytestmark = pytest.mark.unit

DAMAGED = {"code": "damaged_audio", "message": "The file is damaged."}
NO_WORDS = {"code": "no_words", "message": "No words were recognized in 7.0 s of what seems to be speech."}
GAP = {"start": 1.0, "end": 3.5, "reason": "damaged"}
COVERAGE = {"audio_seconds": 9.0, "speech_seconds": 5.0, "transcribed_seconds": 8.0, "gaps": [GAP], "doubtful": [GAP]}


@pytest.mark.parametrize("reported", [None, [], "all", 1])
def test_without_a_report_there_is_no_coverage(reported: Any) -> None:
    assert coverage_from({"coverage": reported}) is None
    assert coverage_from({}) is None


def test_a_report_is_taken_over() -> None:
    assert coverage_from({"coverage": {**COVERAGE, "later": 1}}) == COVERAGE


@pytest.mark.parametrize("value", [math.nan, math.inf, -1.0, "9", None, True, []])
def test_what_is_no_time_is_omitted(value: Any) -> None:
    reported = {**COVERAGE, "audio_seconds": value, "gaps": [GAP, {**GAP, "start": value}, value], "doubtful": value}

    assert coverage_from({"coverage": reported}) == {
        "speech_seconds": 5.0,
        "transcribed_seconds": 8.0,
        "gaps": [GAP],
        "doubtful": [],
    }


@pytest.mark.parametrize("reported", [None, {}, "all", [None, {}, {"code": 1, "message": "?"}, {"code": "damaged"}]])
def test_what_is_no_warning_is_omitted(reported: Any) -> None:
    assert warnings_from({"warnings": reported}) == ()


async def test_process_has_both(streaming_bridge: Bridge, speech_whisper: FakeSpeechWhisper) -> None:
    speech_whisper.warnings = [DAMAGED]

    _, answer = await streaming_bridge.json()

    assert answer["coverage"]["audio_seconds"] == answer["audio_seconds"]
    assert answer["warnings"] == [DAMAGED]


async def test_verbose_json_and_streams_have_both(streaming_bridge: Bridge, speech_whisper: FakeSpeechWhisper) -> None:
    speech_whisper.warnings = [DAMAGED]
    url = "/v1/audio/transcriptions"

    async with streaming_bridge.client.post(url, data=form(b"", response_format="verbose_json")) as response:
        answer = await response.json()
    async with streaming_bridge.client.post(url, data=form(b"", stream="true")) as response:
        done = (await response.text()).strip().splitlines()[-1]

    assert (answer["coverage"]["audio_seconds"], answer["warnings"]) == (answer["duration"], [DAMAGED])
    assert '"damaged_audio"' in done
    assert '"coverage": {' in done


async def test_silence_is_reported_once(streaming_bridge: Bridge, speech_whisper: FakeSpeechWhisper) -> None:
    speech_whisper.transcript = SILENCE

    _, answer = await streaming_bridge.json()

    assert [warning["code"] for warning in answer["warnings"]] == ["no_speech"]


async def test_speech_without_words_is_not_called_silence(
    streaming_bridge: Bridge, speech_whisper: FakeSpeechWhisper
) -> None:
    speech_whisper.transcript = SILENCE
    speech_whisper.warnings = [NO_WORDS]

    _, answer = await streaming_bridge.json()

    assert answer["warnings"][0] == NO_WORDS
    assert answer["warnings"][1]["code"] == "no_speech"
    assert answer["warnings"][1]["message"].startswith("No words were recognized in the recording")


async def test_a_server_that_reports_none_has_none(bridge: Bridge) -> None:
    _, answer = await bridge.json()

    assert (answer["coverage"], answer["warnings"]) == (None, [])
