"""What a pod's answer says is read once; a large one without stopping other requests."""

import asyncio
import json
from typing import Any

import pytest

from speechbridge.transcribers.answers import read_last_event, read_transcript
from speechbridge.transcribers.transcript import Segment, segment_from, transcript_from
from speechbridge.upstreams.failures import FailureKind, UpstreamError

pytestmark = pytest.mark.unit

SEGMENTS = [Segment(0, 0.0, 1.5, " Hello"), Segment(1, 1.5, 2.0, " there.")]
ABOUT_ALL = {
    "type": "transcript.text.done",
    "text": "Hello there.",
    "language": "en",
    "duration": 2.5,
    "coverage": {"audio_seconds": 2.5},
    "warnings": [{"code": "doubtful", "message": "Is it?"}],
}


def hours() -> dict[str, Any]:
    """A transcript of several hours with words."""
    segments = [
        {
            "id": number,
            "start": number * 3.0,
            "end": number * 3.0 + 2.5,
            "text": f" Sentence {number} is spoken.",
            "tokens": list(range(20)),
            "words": [
                {"word": f" word{word}", "start": number * 3.0 + word / 10, "end": number * 3.0 + word / 10 + 0.1}
                for word in range(10)
            ],
        }
        for number in range(4000)
    ]
    return {**ABOUT_ALL, "segments": segments}


async def test_a_large_answer_is_read_like_a_small_one() -> None:
    answer = hours()

    assert await read_transcript(json.dumps(answer).encode()) == transcript_from(answer)


async def test_other_requests_go_on_while_a_large_answer_is_read() -> None:
    body, turns = json.dumps(hours()).encode(), 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    other = asyncio.create_task(others())
    await asyncio.sleep(0)
    before = turns
    await read_transcript(body)
    other.cancel()

    assert turns > before + 1


@pytest.mark.parametrize(
    "body", [b"[" * 2**21, b"\xff" * 2**21, b'{"text": "' + bytes(2**21), b"[" + b"1," * 2**20 + b"1]"]
)
async def test_a_large_answer_may_be_nonsense(body: bytes) -> None:
    with pytest.raises(UpstreamError) as raised:
        await read_transcript(body)

    assert raised.value.kind is FailureKind.BAD_ANSWER


async def test_the_last_event_is_read_for_what_the_segments_lack() -> None:
    repeated = json.dumps(ABOUT_ALL)[:-1] + ', "segments": [this is not read'

    transcript = await read_last_event(repeated, SEGMENTS, words=False)

    assert transcript.segments == tuple(SEGMENTS)
    assert (transcript.text, transcript.language, transcript.duration) == ("Hello there.", "en", 2.5)
    assert transcript.coverage == {"audio_seconds": 2.5, "gaps": [], "doubtful": []}
    assert transcript.warnings == ({"code": "doubtful", "message": "Is it?"},)


async def test_the_segments_of_separate_channels_are_put_in_order() -> None:
    """Those of a block of one channel arrive before those of the other."""
    arrived = [
        Segment(0, 0.0, 4.0, " One", channel=0),
        Segment(1, 9.0, 12.0, " Three", channel=0),
        Segment(2, 5.0, 8.0, " Two", channel=1),
    ]

    transcript = await read_last_event('{"type": "transcript.text.done"}', arrived, words=False)

    assert [segment.text for segment in transcript.segments] == [" One", " Two", " Three"]
    assert transcript.text.splitlines() == ["[Channel 0]: One", "[Channel 1]: Two", "[Channel 0]: Three"]
    assert transcript.duration == 12.0


async def test_the_last_event_brings_the_segments_of_a_server_that_streams_text_alone() -> None:
    last = {**ABOUT_ALL, "segments": [{"start": 0, "end": 1, "text": " Hello"}]}

    transcript = await read_last_event(json.dumps(last), [], words=False)

    assert [segment.text for segment in transcript.segments] == [" Hello"]


async def test_the_last_event_brings_the_words_that_the_segments_lack() -> None:
    last = {
        **ABOUT_ALL,
        "segments": [{"start": 0, "end": 1, "text": " Hello"}],
        "words": [{"word": "Hello", "start": 0.1, "end": 0.9}],
    }

    transcript = await read_last_event(json.dumps(last), SEGMENTS[:1], words=True)

    (segment,) = transcript.segments
    assert segment.words == ({"word": "Hello", "start": 0.1, "end": 0.9},)


async def test_the_last_event_may_have_few_members() -> None:
    transcript = await read_last_event(
        '{"type": "transcript.text.done", "text": "Hello there."}', SEGMENTS, words=False
    )

    assert (transcript.text, transcript.language, transcript.duration) == ("Hello there.", None, 2.0)


@pytest.mark.parametrize("last", ['{"type": "something", "text": "Hello"}', '{"text": "Hello"}', "[]", "{"])
async def test_another_last_event_is_a_bad_answer(last: str) -> None:
    with pytest.raises(UpstreamError) as raised:
        await read_last_event(last, SEGMENTS, words=False)

    assert raised.value.kind is FailureKind.BAD_ANSWER


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a_measure_that_is_not_finite_counts_as_none(number: str) -> None:
    measures = ", ".join(
        f'"{name}": {number}' for name in ("avg_logprob", "compression_ratio", "no_speech_prob", "temperature")
    )
    item = json.loads(f'{{"start": 0, "end": 1, "text": "a", {measures}}}')

    assert segment_from(item, 0) == Segment(0, 0.0, 1.0, "a")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999", "null", '"1"'])
def test_a_word_without_finite_times_has_none(number: str) -> None:
    item = json.loads(f'{{"start": 0, "end": 1, "text": "a", "words": [{{"word": "a", "start": {number}, "end": 1}}]}}')

    assert segment_from(item, 0).words == ()
