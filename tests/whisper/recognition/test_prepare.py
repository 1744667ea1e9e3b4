"""A recording is cut into the same blocks, however it arrives, and is not held for longer than needed."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from faster_whisper.vad import VadOptions
from hypothesis import given, settings
from hypothesis import strategies as st

from speechwhisper.audio.tracks import RATE
from speechwhisper.recognition import speech
from speechwhisper.recognition.blocks import Block, Span
from speechwhisper.recognition.prepare import Preparer, to_float
from speechwhisper.recognition.times import MARGIN_S, SpeechTimes
from speechwhisper.recognition.transcript import Word
from whisper.scripted import loud, segment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from speechwhisper.audio.decode import Samples
    from whisper.media import Pcm

pytestmark = pytest.mark.unit

LONGEST_S = 18.5
FRAME = RATE // 100


@pytest.fixture(scope="module", autouse=True)
def _detector() -> Iterator[None]:
    """Everything loud is speech."""

    def find(samples: Samples, longest_seconds: float) -> list[Span]:
        found = loud(samples, VadOptions(max_speech_duration_s=longest_seconds))
        return [Span(one["start"], one["end"]) for one in found]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(speech, "find_speech", find)
        yield


def extract(samples: Samples) -> NDArray[np.float32]:
    """One sample per frame."""
    return samples[np.newaxis, ::FRAME]


def preparer(skip_silence: float = 10.0, longest_block: float = LONGEST_S, channel: int | None = None) -> Preparer:
    return Preparer(extract, longest_block=longest_block, skip_silence=skip_silence, channel=channel)


def recording(*parts: tuple[float, float]) -> Pcm:
    """Parts of silence and speech, in seconds. All samples differ from those around them."""
    loudness = [np.repeat(np.array([0, 8000], np.int16), [round(one * 100) for one in part]) for part in parts]
    frames = np.concatenate(loudness) + np.arange(sum(map(len, loudness))) % 1000
    return np.repeat(frames.astype(np.int16), FRAME)


def cut(one: Preparer, chunks: Iterable[Pcm]) -> list[Block]:
    return [*(block for chunk in chunks for block in one.feed(chunk)), *one.finish()]


def in_chunks(samples: Pcm, size: int = RATE) -> list[Pcm]:
    return [samples[start : start + size] for start in range(0, len(samples), size)]


def edges(block: Block) -> tuple[int, int]:
    return round(block.start * RATE), round((block.start + block.seconds) * RATE)


short, long = (st.integers(*bounds).map(lambda number: number / 50) for bounds in ((10, 400), (400, 2000)))
"""Seconds; half a pause is a whole number of frames."""
parts = st.lists(st.tuples(short | long, short | long), min_size=1, max_size=8)
tails = st.integers(0, 40)
few = settings(max_examples=25)


@few
@given(parts, tails, st.data())
def test_chunks_of_any_size_give_the_same_blocks(
    spoken: list[tuple[float, float]], tail: int, data: st.DataObject
) -> None:
    samples = recording(*spoken, (tail, 0))
    at = data.draw(st.lists(st.integers(0, len(samples)), max_size=10).map(sorted))
    at = [one - one % FRAME for one in at]
    chunks = np.split(samples, at)

    blocks, whole = cut(preparer(), chunks), cut(preparer(), [samples])

    assert [(one.start, one.frames, one.spans) for one in blocks] == [
        (one.start, one.frames, one.spans) for one in whole
    ]


@few
@given(parts, tails, st.sampled_from([0.1, 0.3, 2.0, 10.0, 3600.0]))
def test_all_speech_is_in_exactly_one_block(spoken: list[tuple[float, float]], tail: int, skip_silence: float) -> None:
    samples = recording(*spoken, (tail, 0))

    blocks = [edges(block) for block in cut(preparer(skip_silence), in_chunks(samples))]

    heard = np.zeros(len(samples), dtype=int)
    for start, end in blocks:
        heard[start:end] += 1
    assert (heard[samples >= 8000] == 1).all()
    assert heard.max() == 1
    assert all(before[1] <= after[0] for before, after in pairwise(blocks))


@few
@given(parts, tails)
def test_blocks_are_not_longer_than_the_limit_nor_empty(spoken: list[tuple[float, float]], tail: int) -> None:
    blocks = cut(preparer(), in_chunks(recording(*spoken, (tail, 0))))

    assert all(0 < block.seconds <= LONGEST_S for block in blocks)
    assert all(any(span.end > span.start for span in block.spans) for block in blocks)


@few
@given(parts, tails)
def test_a_block_has_the_frames_of_its_time(spoken: list[tuple[float, float]], tail: int) -> None:
    samples = recording(*spoken, (tail, 0))

    for block in cut(preparer(), in_chunks(samples)):
        start, _ = edges(block)
        expected = extract(to_float(samples[start : start + block.frames * FRAME]))
        assert np.array_equal(block.features, expected)


@few
@given(parts, tails)
def test_with_0_everything_is_in_some_block(spoken: list[tuple[float, float]], tail: int) -> None:
    samples = recording(*spoken, (tail, 0))
    one = preparer(skip_silence=0)

    blocks = [edges(block) for block in cut(one, in_chunks(samples))]

    assert (blocks[0][0], blocks[-1][1]) == (0, len(samples) - len(samples) % FRAME)
    assert all(abs(before[1] - after[0]) <= FRAME for before, after in pairwise(blocks))
    assert all(end - start <= LONGEST_S * RATE for start, end in blocks)
    assert one.transcribed_seconds == pytest.approx(len(samples) / RATE)


def test_with_0_silence_is_in_blocks_without_speech() -> None:
    one = preparer(skip_silence=0)

    blocks = cut(one, in_chunks(recording((40, 5), (100, 0))))

    assert [block.spans for block in blocks if block.start + block.seconds < 39] == [(), ()]
    assert one.speech_seconds == pytest.approx(5 + 2 * MARGIN_S)
    assert one.transcribed_seconds == pytest.approx(145)


def test_silence_is_left_out_except_for_margins() -> None:
    one = preparer()

    (block,) = cut(one, in_chunks(recording((20, 5), (3, 2), (100, 0))))

    assert edges(block) == (int((20 - MARGIN_S) * RATE), int((30 + MARGIN_S) * RATE))
    assert one.transcribed_seconds == pytest.approx(10 + 2 * MARGIN_S)
    assert one.speech_seconds == pytest.approx(7 + 4 * MARGIN_S)
    assert block.spans == (
        Span(int((20 - MARGIN_S) * RATE), int((25 + MARGIN_S) * RATE)),
        Span(int((28 - MARGIN_S) * RATE), int((30 + MARGIN_S) * RATE)),
    )


def test_without_speech_there_are_no_blocks() -> None:
    one = preparer()

    assert cut(one, in_chunks(recording((200, 0)))) == []
    assert (one.speech_seconds, one.transcribed_seconds) == (0, 0)


def test_an_empty_recording_has_no_blocks() -> None:
    assert preparer().finish() == []
    assert preparer(skip_silence=0).finish() == []


def test_margins_share_a_short_pause() -> None:
    blocks = cut(preparer(), in_chunks(recording((1, 17), (0.5, 17))))

    assert [edges(block) for block in blocks] == [
        (int((1 - MARGIN_S) * RATE), int(18.25 * RATE)),
        (int(18.25 * RATE), int(35.5 * RATE)),
    ]


def test_speech_before_a_short_pause_is_not_found_again() -> None:
    samples = recording((1, 16), (0.2, 17.6), (1, 30))

    blocks = cut(preparer(), in_chunks(samples))

    assert [edges(block)[1] for block in blocks[:2]] == [int(17.1 * RATE), int(35.2 * RATE)]


def speech_in(block: Block, samples: Pcm) -> list[tuple[float, float]]:
    """Where the samples of a block are loud, in seconds of the recording."""
    start, end = edges(block)
    steps = np.flatnonzero(np.diff((samples[start:end] >= 8000).astype(int), prepend=0, append=0)) + start
    return [(float(one), float(other)) for one, other in (steps / RATE).reshape(-1, 2)]


def said(stretches: list[tuple[float, float]]) -> list[Word]:
    """Two words in each stretch of speech, from its beginning to its end."""
    halves = [(one, (one + other) / 2, other) for one, other in stretches]
    return [Word(*times, " a", 0.9) for begin, middle, end in halves for times in ((begin, middle), (middle, end))]


def assert_words_keep_their_times(blocks: list[Block], samples: Pcm) -> None:
    times = SpeechTimes()
    for block in blocks:
        if words := said([one for one in speech_in(block, samples) if one[1] - one[0] > 0.1]):
            spoken = segment(" a" * len(words), words[0].start, words[-1].end, words=tuple(words))
            margins = (block.margin_before, block.margin_after)

            (narrow,) = times.narrow([spoken], block.spans, block.start + block.seconds, margins)

            found = [(word.start, word.end) for word in narrow.words or ()]
            assert found == [(pytest.approx(word.start), pytest.approx(word.end)) for word in words]


@pytest.mark.parametrize("skip_silence", [0, 10.0])
@pytest.mark.parametrize("pause", [0, 0.1, 0.3, 0.6, 1.0])
def test_words_beside_a_cut_keep_their_times(pause: float, skip_silence: float) -> None:
    samples = recording((1, 17), (pause, 17), (pause, 10))

    blocks = cut(preparer(skip_silence), in_chunks(samples))

    assert len(blocks) >= 3
    assert_words_keep_their_times(blocks, samples)


@few
@given(parts, tails, st.sampled_from([0, 0.1, 0.3, 10.0]))
def test_words_in_speech_keep_their_times(spoken: list[tuple[float, float]], tail: int, skip_silence: float) -> None:
    samples = recording(*spoken, (tail, 0))

    assert_words_keep_their_times(cut(preparer(skip_silence), in_chunks(samples)), samples)


def test_a_block_says_its_channel() -> None:
    (block,) = cut(preparer(channel=1), [recording((1, 3))])

    assert block.channel == 1


def test_the_first_blocks_are_complete_after_30_s() -> None:
    one = preparer()
    samples = recording(*[(1, 5)] * 20)
    chunks = in_chunks(samples)

    assert [one.feed(chunk) for chunk in chunks[:29]] == [[]] * 29
    assert one.is_due(RATE)
    first = one.feed(chunks[29])

    assert first[0].start == pytest.approx(1 - MARGIN_S)


def test_cutting_is_due_only_with_the_chunk_that_completes_30_s() -> None:
    one = preparer()
    one.feed(np.zeros(29 * RATE, np.int16))

    assert not one.is_due(RATE - 1)
    assert one.is_due(RATE)


@pytest.mark.parametrize("skip_silence", [0, 10.0])
@pytest.mark.parametrize("minute", [[(5, 55)], [(60, 0)], [(0.3, 2.7)] * 20, [(12, 3)] * 4], ids=str)
def test_the_memory_for_an_hour_is_that_for_two_minutes(minute: list[tuple[float, float]], skip_silence: float) -> None:
    one = preparer(skip_silence)
    most = 0

    for chunk in in_chunks(recording(*minute)) * 60:
        one.feed(chunk)
        most = max(most, sum(map(len, one._chunks)))

    assert most <= 90 * RATE


def test_speech_and_then_minutes_of_silence_are_not_held() -> None:
    one = preparer(skip_silence=3600.0)
    one.feed(recording((1, 5)))

    for _ in range(4):
        one.feed(np.zeros(60 * RATE, np.int16))

    assert sum(map(len, one._chunks)) <= 90 * RATE
