"""A long transcript is rendered piece by piece, beside the event loop."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import FormData

from speechwhisper.api import json_text
from speechwhisper.api.rendering import render
from speechwhisper.recognition.transcript import Segment, Transcript, TranscriptionInfo
from whisper import media
from whisper.scripted import DEADLINE, ScriptedDecoder, segment

if TYPE_CHECKING:
    from whisper.conftest import Start

pytestmark = pytest.mark.unit

WAV = media.encode(media.tone(1))
SEGMENTS = 200


class Watched(Segment):
    """A segment that is turned into JSON only after the event loop has run once more."""

    __slots__ = ()
    loop: asyncio.AbstractEventLoop
    rounds = 0

    def to_json(self) -> dict[str, Any]:
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0), Watched.loop).result(DEADLINE)
        Watched.rounds += 1
        return super().to_json()


def long_transcript(kind: type[Segment] = Segment) -> Transcript:
    one = segment(" One two three.")
    fields = {name: getattr(one, name) for name in Segment.__slots__}
    segments = [kind(**{**fields, "id": number, "start": float(number)}) for number in range(SEGMENTS)]
    return Transcript(tuple(segments), TranscriptionInfo("en", 200.0, 200.0, 200.0))


async def test_the_event_loop_runs_while_a_long_transcript_is_rendered() -> None:
    Watched.loop, Watched.rounds = asyncio.get_running_loop(), 0
    transcript = long_transcript(Watched)

    bodies = await render(transcript, lambda whole: [one.to_json() for one in whole.segments])

    assert Watched.rounds == SEGMENTS
    assert [body["id"] for body in bodies] == list(range(SEGMENTS))


@pytest.mark.parametrize("segments", [0, 1, SEGMENTS])
async def test_a_transcript_of_any_length_is_rendered(segments: int) -> None:
    transcript = replace(long_transcript(), segments=long_transcript().segments[:segments])

    assert await render(transcript, lambda whole: len(whole.segments)) == segments


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/asr?output=json", {}),
        ("/asr?output=srt", {}),
        ("/v1/audio/transcriptions", {"response_format": "verbose_json", "timestamp_granularities[]": "word"}),
        ("/v1/audio/transcriptions", {"response_format": "vtt"}),
        ("/v1/audio/transcriptions", {"stream": "true", "timestamp_granularities[]": "word"}),
    ],
)
async def test_every_long_answer_is_rendered_beside_the_event_loop(
    start: Start, monkeypatch: pytest.MonkeyPatch, path: str, fields: dict[str, str]
) -> None:
    beside: list[object] = []
    to_thread = asyncio.to_thread

    async def spied(function: Any, *arguments: Any) -> Any:
        beside.extend(one for one in arguments if isinstance(one, Transcript))
        return await to_thread(function, *arguments)

    monkeypatch.setattr(asyncio, "to_thread", spied)
    client = await start(ScriptedDecoder(long_transcript().segments))
    form = FormData(fields)
    form.add_field("file", WAV, filename="a.wav")

    async with client.post(path, data=form) as response:
        body = await response.text()

    assert response.status == 200
    assert len(beside) == 1
    assert body.count("One two three.") >= SEGMENTS


def test_the_elements_of_lists_are_encoded_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: list[object] = []

    class Spy(json.JSONEncoder):
        def encode(self, o: Any) -> str:
            encoded.append(o)
            return super().encode(o)

    monkeypatch.setattr(json_text, "_ENCODER", Spy(ensure_ascii=False))
    segments = [one.to_json() for one in long_transcript().segments]
    document = {"text": "Größe", "segments": segments, "none": [], "coverage": {"gaps": [1, 2]}, "duration": 1.5}

    text = json_text.encode(document)

    assert text == json.dumps(document, ensure_ascii=False)
    assert [one for one in encoded if isinstance(one, list)] == []
    assert [one for one in encoded if isinstance(one, dict)] == [*segments, {"gaps": [1, 2]}]
