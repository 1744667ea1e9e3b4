from __future__ import annotations

import json
from dataclasses import replace

import pytest

from speechwhisper.api import asr_formats, openai_formats
from speechwhisper.recognition.options import Options
from speechwhisper.recognition.transcript import Transcript, TranscriptionInfo
from whisper.scripted import segment

pytestmark = pytest.mark.unit

INFO = TranscriptionInfo("en", 4000.0, 3.0, 4000.0)
SPOKEN = Transcript((segment(" One --> two.", 0.0, 1.25), segment(" Tab\there.", 3661.5, 3662.0, id=1)), INFO)
SILENT = Transcript((), TranscriptionInfo("en", 3.0, 0.0, 0.0))


def test_txt_has_a_line_per_segment() -> None:
    assert asr_formats.txt(SPOKEN) == "One --> two.\nTab\there.\n"


def test_srt_numbers_its_cues_and_defuses_arrows() -> None:
    assert asr_formats.srt(SPOKEN) == (
        "1\n00:00:00,000 --> 00:00:01,250\nOne -> two.\n\n2\n01:01:01,500 --> 01:01:02,000\nTab\there.\n\n"
    )


def test_vtt_leaves_out_hours_until_there_are_any() -> None:
    assert asr_formats.vtt(SPOKEN) == (
        "WEBVTT\n\n00:00.000 --> 00:01.250\nOne -> two.\n\n01:01:01.500 --> 01:01:02.000\nTab\there.\n\n"
    )


def test_tsv_has_milliseconds_and_no_stray_tabs() -> None:
    assert asr_formats.tsv(SPOKEN) == "start\tend\ttext\n0\t1250\tOne --> two.\n3661500\t3662000\tTab here.\n"


def test_json_carries_text_segments_and_what_was_heard() -> None:
    body = json.loads(asr_formats.asr_json(SPOKEN))

    assert body["text"] == "One --> two. Tab\there."
    assert set(body["segments"][0]) == {
        *("id", "seek", "start", "end", "text", "tokens", "temperature"),
        *("avg_logprob", "compression_ratio", "no_speech_prob", "words"),
    }
    assert {key: body[key] for key in ("language", "duration", "speech_seconds", "transcribed_seconds")} == {
        "language": "en",
        "duration": 4000.0,
        "speech_seconds": 3.0,
        "transcribed_seconds": 4000.0,
    }


@pytest.mark.parametrize(
    ("kind", "expected"), [("txt", ""), ("srt", ""), ("vtt", "WEBVTT\n\n"), ("tsv", "start\tend\ttext\n")]
)
def test_silence_is_an_empty_file_of_each_kind(kind: str, expected: str) -> None:
    assert asr_formats.ASR_FORMATS[kind](SILENT) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"), [(0.0, "00:00:00,000"), (59.9996, "00:01:00,000"), (359999.999, "99:59:59,999")]
)
def test_times_are_rounded_before_they_are_split(seconds: float, expected: str) -> None:
    assert asr_formats.clock(seconds, hours=True, point=",") == expected


CALL = Transcript.of(
    [
        segment(" How can I help?", 0.5, 2.0, channel=0),
        segment(" Thanks.", 6.0, 7.0, id=1, channel=0),
        segment(" My --> line\tis dead.", 2.5, 5.0, id=2, channel=1),
    ],
    INFO,
)


def test_segments_of_separate_channels_are_in_the_order_of_time() -> None:
    assert [one.channel for one in CALL.segments] == [0, 1, 0]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("txt", "[Channel 0]: How can I help?\n[Channel 1]: My --> line\tis dead.\n[Channel 0]: Thanks.\n"),
        (
            "srt",
            (
                "1\n00:00:00,500 --> 00:00:02,000\n[Channel 0]: How can I help?\n\n"
                "2\n00:00:02,500 --> 00:00:05,000\n[Channel 1]: My -> line\tis dead.\n\n"
                "3\n00:00:06,000 --> 00:00:07,000\n[Channel 0]: Thanks.\n\n"
            ),
        ),
        (
            "vtt",
            (
                "WEBVTT\n\n00:00.500 --> 00:02.000\n<v Channel 0>How can I help?\n\n"
                "00:02.500 --> 00:05.000\n<v Channel 1>My -> line\tis dead.\n\n"
                "00:06.000 --> 00:07.000\n<v Channel 0>Thanks.\n\n"
            ),
        ),
        (
            "tsv",
            (
                "start\tend\ttext\tchannel\n500\t2000\tHow can I help?\t0\n2500\t5000\tMy --> line is dead.\t1\n"
                "6000\t7000\tThanks.\t0\n"
            ),
        ),
    ],
)
def test_each_format_names_the_channel(kind: str, expected: str) -> None:
    assert asr_formats.ASR_FORMATS[kind](CALL) == expected


def test_json_names_the_channel_only_if_the_channels_are_separate() -> None:
    body = openai_formats.verbose(CALL, Options(word_timestamps=True, separate_channels=True))

    assert [one["channel"] for one in body["segments"]] == [0, 1, 0]
    assert [one["channel"] for one in body["words"]] == [0] * 4 + [1] * 5 + [0]
    assert "channel" not in SPOKEN.segments[0].to_json()


def test_the_deltas_of_a_stream_are_the_lines_of_the_text() -> None:
    deltas = [openai_formats.delta(one)["delta"] for one in CALL.segments]

    assert "".join(deltas).strip() == CALL.text
    assert deltas[0] == "[Channel 0]: How can I help?\n"


def test_a_recording_that_ends_early_is_reported() -> None:
    info = replace(INFO, missing=12.34)

    (warning,) = Transcript(SPOKEN.segments, info).warnings()

    assert warning["code"] == "truncated"
    assert "12.3 s earlier" in warning["message"]
