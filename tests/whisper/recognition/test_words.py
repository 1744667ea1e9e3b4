"""The words themselves: right, and the same as faster-whisper's own."""

from __future__ import annotations

import io
import json
import threading
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from aiohttp import FormData
from faster_whisper import WhisperModel

from speechwhisper.audio.decode import Audio, decode
from speechwhisper.recognition.loading import load
from speechwhisper.recognition.options import Options
from speechwhisper.settings import Settings
from spoken import WORST_WORD_ERROR_RATE, word_error_rate, words
from whisper import media
from whisper.conftest import RunningServer, session

if TYPE_CHECKING:
    from collections.abc import Iterable

    from speechwhisper.recognition.transcript import Segment, TranscriptionInfo

pytestmark = pytest.mark.component

Recordings = dict[str, tuple[Path, str]]

FRAME = 0.02
"""Seconds: Whisper's unit of time."""


@pytest.fixture(scope="module")
def direct(model_folder: str) -> WhisperModel:
    return WhisperModel(model_folder, device="cpu", compute_type="int8", cpu_threads=2)


def transcribe(settings: Settings, audio: Audio, **options: object) -> tuple[list[Segment], TranscriptionInfo]:
    segments: list[Segment] = []
    heard = load(settings).decode(audio, Options(**options), segments.append, threading.Event())
    return segments, heard


def settings(model_folder: str, **changes: object) -> Settings:
    return Settings(whisper_model=model_folder, whisper_device="cpu", whisper_compute_type="int8", **changes)


def long_recording(recordings: Recordings) -> Audio:
    """Everything shipped, several times over, with pauses: more than one window of 30 s."""
    pieces = [media.decode_wav(file.read_bytes()) for file, _ in recordings.values()] * 3
    return decode(io.BytesIO(media.encode(media.join(pieces, pause=1.0))), 3600)


def text(segments: Iterable[Any]) -> str:
    return "".join(segment.text for segment in segments)


def edges(timed: Iterable[tuple[str, float, float]]) -> np.ndarray:
    """When each word starts and ends, in seconds, those of a compound each: shape (words, 2)."""
    return np.array([(start, end) for text, start, end in timed for _ in words(text)])


async def test_the_shipped_recordings_are_understood(server: RunningServer, recordings: Recordings) -> None:
    said, understood = [], []
    async with session(server.url) as http:
        for file, transcript in recordings.values():
            form = FormData()
            form.add_field("audio_file", file.read_bytes(), filename=file.name)
            async with http.post("/asr", data=form) as response:
                said.append(transcript)
                understood.append(await response.text())

    assert said
    assert word_error_rate(" ".join(said), " ".join(understood)) <= WORST_WORD_ERROR_RATE


async def test_the_server_hears_the_words_that_faster_whisper_hears(
    server: RunningServer, recordings: Recordings, direct: WhisperModel
) -> None:
    async with session(server.url) as http:
        for file, _ in recordings.values():
            form = FormData()
            form.add_field("audio_file", file.read_bytes(), filename=file.name)
            async with http.post("/asr", params={"output": "json"}, data=form) as response:
                body = json.loads(await response.text())
            segments, _ = direct.transcribe(str(file), condition_on_previous_text=False)
            assert words("".join(segment["text"] for segment in body["segments"])) == words(text(segments))


@pytest.mark.parametrize("vad_filter", [False, True])
def test_many_windows_come_out_as_from_faster_whisper(
    model_folder: str, recordings: Recordings, direct: WhisperModel, *, vad_filter: bool
) -> None:
    audio = long_recording(recordings)

    # Only at temperature 0 is decoding free of chance.
    same = {"vad_filter": vad_filter, "word_timestamps": True}
    segments, heard = transcribe(settings(model_folder), audio, temperatures=(0.0,), **same)

    expected = list(direct.transcribe(audio.samples, temperature=0.0, condition_on_previous_text=False, **same)[0])
    assert words(text(segments)) == words(text(expected))
    # Rounding moves an edge here and there, by as much as a short word; a window put in a wrong place moves them all.
    ours = edges((word.text, word.start, word.end) for segment in segments for word in segment.words or ())
    theirs = edges((word.word, word.start, word.end) for segment in expected for word in segment.words)
    moved = np.abs(ours - theirs)
    assert np.median(moved) <= FRAME / 2
    assert moved.max() <= 0.5
    assert [segment.end for segment in segments] == [
        pytest.approx(min(segment.words[-1].end, audio.duration), abs=0.5) for segment in segments if segment.words
    ]
    assert heard.duration == audio.duration
    assert [segment.id for segment in segments] == list(range(len(segments)))


def test_batches_hear_the_same_words(model_folder: str, recordings: Recordings) -> None:
    audio = long_recording(recordings)
    said = " ".join(transcript for _, transcript in list(recordings.values()) * 3)

    segments, heard = transcribe(settings(model_folder, whisper_batch_size=4), audio)

    assert word_error_rate(said, text(segments)) <= WORST_WORD_ERROR_RATE
    assert all(before.start <= after.start for before, after in pairwise(segments))
    assert segments[-1].end == pytest.approx(audio.duration, abs=2.0)
    assert 0 < heard.speech_seconds <= heard.transcribed_seconds <= heard.duration


def test_batches_put_speech_at_its_time_and_invent_nothing(model_folder: str, recordings: Recordings) -> None:
    file, transcript = recordings["austen-ill-disposed"]
    voice = media.decode_wav(file.read_bytes())
    pieces = [media.noise(20, 0.01), voice, media.silence(60), voice, media.noise(20, 0.01)]
    audio = decode(io.BytesIO(media.encode(media.join(pieces, pause=0))), 3600)

    segments, _ = transcribe(settings(model_folder, whisper_batch_size=4), audio, word_timestamps=True)

    assert words(text(segments)).count("selfish") == 2
    assert word_error_rate(f"{transcript} {transcript}", text(segments)) <= WORST_WORD_ERROR_RATE
    starts = [word.start for segment in segments for word in segment.words or () if "selfish" in words(word.text)]
    first, second = starts
    assert 20 < first < 20 + len(voice) / media.RATE
    assert second - first == pytest.approx(60 + len(voice) / media.RATE, abs=0.5)


VARIANTS = [
    pytest.param({}, {}, id="whole"),
    pytest.param({}, {"vad_filter": True}, id="without pauses"),
    pytest.param({"whisper_batch_size": 4}, {}, id="batches"),
]


@pytest.mark.parametrize(("changes", "options"), VARIANTS)
def test_hotwords_decide_the_spelling_in_every_window(
    model_folder: str,
    recordings: Recordings,
    changes: dict[str, object],
    options: dict[str, object],
) -> None:
    audio = three_windows(recordings)

    segments, _ = transcribe(settings(model_folder, **changes), audio, hotwords="Jon Dashwoode", **options)

    heard = words(text(segments))
    assert (heard.count("jon"), heard.count("john")) == (5, 0)


def three_windows(recordings: Recordings) -> Audio:
    """80 s in which "John Dashwood" is said five times, at least once in each window."""
    voice = media.decode_wav(recordings["austen-leisure-to-consider"][0].read_bytes())
    return decode(io.BytesIO(media.encode(media.join([voice] * 5, pause=1.0))), 3600)
