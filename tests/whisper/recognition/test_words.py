"""The words themselves: right, as many as faster-whisper hears, and at the same times."""

from __future__ import annotations

import io
import json
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jiwer
import numpy as np
import pytest
from aiohttp import FormData
from faster_whisper import WhisperModel

from speechwhisper.audio.decode import decode, open_recording
from speechwhisper.recognition.loading import load
from speechwhisper.recognition.options import Options
from speechwhisper.recognition.port import Stop
from speechwhisper.settings import Settings
from spoken import WORST_WORD_ERROR_RATE, word_error_rate, words
from whisper import media
from whisper.conftest import RunningServer, session

if TYPE_CHECKING:
    from collections.abc import Iterable

    from speechwhisper.recognition.transcript import Segment, TranscriptionInfo

pytestmark = pytest.mark.component

Recordings = dict[str, tuple[Path, str]]

WORSE = 0.05
"""How much the word error rate may exceed faster-whisper's: blocks are not its windows, so single words differ."""
REPEATED = 3
"""How often each recording is in the long one."""
PAUSE = 1.0
"""Seconds between two of them."""


@pytest.fixture(scope="module")
def direct(model_folder: str) -> WhisperModel:
    return WhisperModel(model_folder, device="cpu", compute_type="int8", cpu_threads=2)


def transcribe(settings: Settings, data: bytes, **options: object) -> tuple[list[Segment], TranscriptionInfo]:
    segments: list[Segment] = []
    engine = load(settings)
    try:
        recording = open_recording(io.BytesIO(data), 3600)
        heard = engine.decode(recording, Options(**options), segments.append, Stop())  # type: ignore[arg-type]
    finally:
        engine.close()
    return segments, heard


def settings(model_folder: str, **changes: object) -> Settings:
    return Settings(whisper_model=model_folder, whisper_device="cpu", whisper_compute_type="int8", **changes)


def long_recording(recordings: Recordings) -> bytes:
    """Everything shipped, several times over, with pauses: more than one window of 30 s."""
    pieces = [media.decode_wav(file.read_bytes()) for file, _ in recordings.values()] * REPEATED
    return media.encode(media.join(pieces, pause=PAUSE))


def said_in(recordings: Recordings) -> str:
    """What is said in the long recording."""
    return " ".join(transcript for _, transcript in list(recordings.values()) * REPEATED)


def text(segments: Iterable[Any]) -> str:
    return "".join(segment.text for segment in segments)


Timed = list[tuple[str, float, float]]
"""Words with their start and end in seconds, those of a compound each."""


def each(timed: Iterable[tuple[str, float, float]]) -> Timed:
    return [(word, start, end) for text, start, end in timed for word in words(text)]


def moved(ours: Timed, theirs: Timed) -> np.ndarray:
    """By how many seconds the words that both heard differ in start and end: shape (words, 2)."""
    # Not difflib, which prefers the longest match: in repeated speech that may be in another repetition.
    (chunks,) = jiwer.process_words(*(" ".join(word for word, *_ in one) for one in (ours, theirs))).alignments
    pairs = [
        (ours[chunk.ref_start_idx + at][1:], theirs[chunk.hyp_start_idx + at][1:])
        for chunk in chunks
        if chunk.type == "equal"
        for at in range(chunk.ref_end_idx - chunk.ref_start_idx)
    ]
    return np.abs(np.subtract(*zip(*pairs, strict=True)))


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


async def test_the_server_hears_as_many_words_as_faster_whisper(
    server: RunningServer, recordings: Recordings, direct: WhisperModel
) -> None:
    async with session(server.url) as http:
        for file, said in recordings.values():
            form = FormData()
            form.add_field("audio_file", file.read_bytes(), filename=file.name)
            async with http.post("/asr", params={"output": "json"}, data=form) as response:
                body = json.loads(await response.text())
            segments, _ = direct.transcribe(str(file), condition_on_previous_text=False)
            heard = "".join(segment["text"] for segment in body["segments"])
            assert word_error_rate(said, heard) <= word_error_rate(said, text(segments)) + WORSE


@pytest.fixture(scope="module")
def in_place(recordings: Recordings, direct: WhisperModel) -> Timed:
    """The words of the long recording, as faster-whisper hears each recording alone, moved to its place."""
    placed: Timed = []
    offset = 0.0
    for file, _ in list(recordings.values()) * REPEATED:
        alone = media.decode_wav(file.read_bytes())
        samples = alone.astype(np.float32) / 32768
        heard, _ = direct.transcribe(samples, temperature=0.0, condition_on_previous_text=False, word_timestamps=True)
        placed += [
            (word.word, offset + word.start, offset + word.end) for segment in heard for word in segment.words or ()
        ]
        offset += len(alone) / media.RATE + PAUSE
    return each(placed)


@pytest.mark.parametrize("vad_filter", [False, True])
def test_in_a_long_recording_every_word_is_at_its_time(
    model_folder: str, recordings: Recordings, in_place: Timed, *, vad_filter: bool
) -> None:
    data, said = long_recording(recordings), said_in(recordings)
    duration = decode(io.BytesIO(data), 3600).duration

    # Only at temperature 0 is decoding free of chance.
    options = {"vad_filter": vad_filter, "word_timestamps": True, "temperatures": (0.0,)}
    segments, heard = transcribe(settings(model_folder), data, **options)

    assert word_error_rate(said, text(segments)) <= WORST_WORD_ERROR_RATE
    # An edge moves here and there, by as much as a short word; a block put in a wrong place moves all of its words.
    ours = each((word.text, word.start, word.end) for segment in segments for word in segment.words or ())
    differences = moved(ours, in_place)
    assert len(differences) >= (1 - WORST_WORD_ERROR_RATE) * len(words(said))
    assert np.median(differences) <= 0.1
    assert np.quantile(differences, 0.95) <= 0.5
    assert [segment.end for segment in segments] == [
        pytest.approx(min(segment.words[-1].end, duration), abs=0.5) for segment in segments if segment.words
    ]
    assert heard.duration == duration
    assert [segment.id for segment in segments] == list(range(len(segments)))


def test_words_and_segments_do_not_last_through_a_pause(model_folder: str, recordings: Recordings) -> None:
    voice = media.decode_wav(recordings["austen-leisure-to-consider"][0].read_bytes())
    beginning = voice[: int(2.5 * media.RATE)]
    data = media.encode(np.concatenate([media.silence(3), beginning, media.silence(8), voice]))

    segments, heard = transcribe(settings(model_folder), data, word_timestamps=True, temperatures=(0.0,))

    timed = [*segments, *(word for segment in segments for word in segment.words or ())]
    assert {one.start > 5.5 for one in timed} == {False, True}
    assert all(
        (before <= one.start and one.end <= after)
        for one in timed
        for before, after in [(2.75, 5.75) if one.start < 5.5 else (13.25, heard.duration)]
    )


def test_batches_hear_the_same_words(model_folder: str, recordings: Recordings) -> None:
    data = long_recording(recordings)

    segments, heard = transcribe(settings(model_folder, whisper_batch_size=4), data)

    assert word_error_rate(said_in(recordings), text(segments)) <= WORST_WORD_ERROR_RATE
    assert all(before.start <= after.start for before, after in pairwise(segments))
    assert segments[-1].end == pytest.approx(heard.duration, abs=2.0)
    assert 0 < heard.speech_seconds <= heard.transcribed_seconds <= heard.duration


def test_batches_put_speech_at_its_time_and_invent_nothing(model_folder: str, recordings: Recordings) -> None:
    file, transcript = recordings["austen-ill-disposed"]
    voice = media.decode_wav(file.read_bytes())
    pieces = [media.noise(20, 0.01), voice, media.silence(60), voice, media.noise(20, 0.01)]
    data = media.encode(media.join(pieces, pause=0))

    segments, _ = transcribe(settings(model_folder, whisper_batch_size=4), data, word_timestamps=True)

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
    data = three_windows(recordings)

    segments, _ = transcribe(settings(model_folder, **changes), data, hotwords="Jon Dashwoode", **options)

    heard = words(text(segments))
    assert (heard.count("jon"), heard.count("john")) == (5, 0)


def three_windows(recordings: Recordings) -> bytes:
    """80 s in which "John Dashwood" is said five times, at least once in each window."""
    voice = media.decode_wav(recordings["austen-leisure-to-consider"][0].read_bytes())
    return media.encode(media.join([voice] * 5, pause=1.0))
