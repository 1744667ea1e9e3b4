"""Words appear at the time at which they are said, in every format, whatever the container does with time."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from aiohttp import FormData

from spoken import word_error_rate, words
from whisper import media
from whisper.conftest import RunningServer, session

if TYPE_CHECKING:
    from pathlib import Path

    from whisper.media import Pcm

pytestmark = pytest.mark.component

Recordings = dict[str, tuple["Path", str]]
ONE_MISHEARD = 0.25
"""Word error rate of a short recording in which a compound is misheard."""
SAID = frozenset(words("Unless to be rather cold-hearted and rather selfish is to be ill-disposed."))


@pytest.fixture
def voice(recordings: Recordings) -> Pcm:
    """5.3 s of speech that begins within the first 0.2 s."""
    return media.decode_wav(recordings["austen-ill-disposed"][0].read_bytes())


async def transcribe(server: RunningServer, data: bytes, **fields: str) -> Any:
    form = FormData()
    for name, value in fields.items():
        form.add_field(name, value)
    form.add_field("file", io.BytesIO(data), filename="a.bin")
    async with session(server.url) as http, http.post("/v1/audio/transcriptions", data=form) as response:
        assert response.status == 200, await response.text()
        return await (response.json() if response.content_type == "application/json" else response.text())


async def verbose(server: RunningServer, data: bytes, **fields: str) -> dict[str, Any]:
    answer: dict[str, Any] = await transcribe(server, data, response_format="verbose_json", **fields)
    return answer


def common(answer: dict[str, Any]) -> float:
    """The share of what was said that was heard."""
    return len(SAID & set(words(answer["text"]))) / len(SAID)


@pytest.mark.parametrize("container", ["matroska", "mp4", "mpegts"])
async def test_sound_that_starts_late_in_a_video(server: RunningServer, voice: Pcm, container: str) -> None:
    answer = await verbose(server, media.muxed(container, [(4.9, voice)], video=12))

    assert answer["segments"][0]["start"] == pytest.approx(4.9, abs=0.3)
    assert answer["segments"][-1]["end"] <= 10.4
    assert common(answer) > 0.8


@pytest.mark.parametrize("container", ["matroska", "mp4"])
async def test_two_utterances_with_nothing_between_them(server: RunningServer, voice: Pcm, container: str) -> None:
    answer = await verbose(server, media.muxed(container, [(0.0, voice), (25.0, voice)]))

    starts = [segment["start"] for segment in answer["segments"]]
    assert any(start == pytest.approx(25.0, abs=0.3) for start in starts), starts
    assert answer["duration"] == pytest.approx(30.3, abs=0.2)
    assert answer["coverage"]["gaps"] == [
        {"start": pytest.approx(5.3, abs=0.2), "end": pytest.approx(25.0, abs=0.1), "reason": "no_data"}
    ]


@pytest.mark.parametrize("seconds", [1, 3, 5, 9])
@pytest.mark.parametrize("kind", ["srt", "vtt"])
async def test_silence_before_the_first_word(server: RunningServer, voice: Pcm, seconds: int, kind: str) -> None:
    data = media.encode(np.concatenate([media.silence(seconds), voice]), "flac", "flac")

    text = await transcribe(server, data, response_format=kind)

    minutes, start = re.search(r"(\d\d):(\d\d[,.]\d{3}) -->", text).groups()  # type: ignore[union-attr]
    assert int(minutes) * 60 + float(start.replace(",", ".")) == pytest.approx(seconds, abs=0.3)


async def test_damage_is_reported_and_moves_nothing(server: RunningServer, voice: Pcm) -> None:
    # With long pauses, so that each utterance is decoded on its own: repetitions in one window are sampled at random.
    data = bytearray(media.muxed("matroska", [(0.0, np.concatenate([voice, media.silence(12)] * 3))]))
    # Before the last of three utterances, which must stay where it is.
    begin, length = int(len(data) * 0.4), len(data) // 10
    data[begin : begin + length] = bytes(length)

    answer = await verbose(server, bytes(data))

    seconds = len(voice) / media.RATE
    last = 2 * (seconds + 12)
    assert last + seconds - 1.5 < answer["segments"][-1]["end"] < last + seconds + 0.5
    codes = [warning["code"] for warning in answer["warnings"]]
    assert codes in (["damaged_audio"], ["damaged_audio", "doubtful"])  # what is left of an utterance may be doubtful
    assert re.search(r"\d\.\d s", answer["warnings"][0]["message"])


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda voice: media.channels([voice, -voice]), id="inverted"),
        pytest.param(lambda voice: media.channels([voice] * 9), id="nine"),
        pytest.param(lambda voice: media.channels([0 * voice] * 3 + [voice] + [0 * voice] * 2), id="fourth of six"),
        pytest.param(
            lambda voice: media.muxed("matroska", [(0.0, 0 * voice)], [(0.0, voice)]), id="second of two tracks"
        ),
    ],
)
async def test_a_voice_is_heard_wherever_it_is(server: RunningServer, voice: Pcm, make: Any) -> None:
    assert common(await verbose(server, make(voice))) > 0.8


@pytest.mark.parametrize(("audio_track", "heard"), [("0", "austen-leisure-to-consider"), ("1", "austen-ill-disposed")])
async def test_the_requested_track_is_transcribed(
    server: RunningServer, recordings: Recordings, audio_track: str, heard: str
) -> None:
    names = ["austen-leisure-to-consider", "austen-ill-disposed"]
    voices = [media.decode_wav(recordings[name][0].read_bytes()) for name in names]

    answer = await verbose(
        server, media.muxed("matroska", *[[(0.0, voice)] for voice in voices], default=0), audio_track=audio_track
    )

    assert ("dashwood" in words(answer["text"])) is (heard == "austen-leisure-to-consider")
    assert word_error_rate(recordings[heard][1], answer["text"]) <= ONE_MISHEARD


async def test_silence_has_no_language(server: RunningServer) -> None:
    answer = await verbose(server, media.encode(media.silence(5)))

    assert (answer["text"], answer["language"]) == ("", None)
    assert [warning["code"] for warning in answer["warnings"]] == ["no_speech"]
    assert answer["coverage"] == {
        "audio_seconds": 5.0,
        "speech_seconds": 0,
        "transcribed_seconds": 0,
        "gaps": [],
        "doubtful": [],
    }
