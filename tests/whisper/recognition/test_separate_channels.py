"""`channels=separate`: two people who speak at once on two channels are both understood."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from aiohttp import FormData

from spoken import WORST_WORD_ERROR_RATE, word_error_rate
from whisper import media
from whisper.conftest import RunningServer, session

if TYPE_CHECKING:
    from pathlib import Path

    from whisper.media import Pcm

pytestmark = pytest.mark.component

Recordings = dict[str, tuple["Path", str]]
SPEAKERS = ["austen-ill-disposed", "austen-leisure-to-consider"]


@pytest.fixture
def voices(recordings: Recordings) -> list[Pcm]:
    """Of equal length."""
    samples = [media.decode_wav(recordings[name][0].read_bytes()) for name in SPEAKERS]
    longest = max(map(len, samples))
    return [np.pad(one, (0, longest - len(one))) for one in samples]


async def transcribe(server: RunningServer, data: bytes, **fields: str) -> dict[str, Any]:
    form = FormData({"channels": "separate", "response_format": "verbose_json", **fields})
    form.add_field("file", io.BytesIO(data), filename="call.wav")
    async with session(server.url) as http, http.post("/v1/audio/transcriptions", data=form) as response:
        assert response.status == 200, await response.text()
        answer: dict[str, Any] = await response.json()
        return answer


def said_on(channel: int, answer: dict[str, Any]) -> str:
    return "".join(segment["text"] for segment in answer["segments"] if segment["channel"] == channel)


async def test_both_of_two_who_speak_at_once_are_understood(
    server: RunningServer, recordings: Recordings, voices: list[Pcm]
) -> None:
    answer = await transcribe(server, media.channels(voices))

    for channel, name in enumerate(SPEAKERS):
        assert word_error_rate(recordings[name][1], said_on(channel, answer)) <= WORST_WORD_ERROR_RATE
    assert answer["duration"] == pytest.approx(len(voices[0]) / media.RATE, abs=0.1)


async def test_those_who_speak_in_turns_are_in_the_order_of_time(server: RunningServer, voices: list[Pcm]) -> None:
    first, second = voices
    silent = 0 * first

    answer = await transcribe(
        server, media.channels([np.concatenate([first, silent]), np.concatenate([silent, second])])
    )

    turns = [(segment["channel"], segment["start"]) for segment in answer["segments"]]
    assert turns == sorted(turns, key=lambda turn: turn[1])
    assert {channel for channel, start in turns if start < len(first) / media.RATE - 1} == {0}
    assert {channel for channel, start in turns if start > len(first) / media.RATE} == {1}


async def test_a_mono_recording_has_channel_0(server: RunningServer, voices: list[Pcm]) -> None:
    answer = await transcribe(server, media.encode(voices[0]))

    assert {segment["channel"] for segment in answer["segments"]} == {0}
    assert answer["text"].startswith("[Channel 0]: ")
