"""What the model made of a block is kept, is silence, or is decoded again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechwhisper.audio.tracks import RATE
from speechwhisper.recognition import judging
from speechwhisper.recognition.blocks import Block, Span
from speechwhisper.recognition.judging import (
    Attempt,
    Doubt,
    Result,
    Verdict,
    attempts,
    best_of,
    failure,
    judge,
    lost_tail,
)
from speechwhisper.recognition.tuning import FULL_WINDOW

pytestmark = pytest.mark.unit

FITTING = Attempt(0.0, 600)
FULL = Attempt(0.0, FULL_WINDOW, beam_search=True, alone=True)
LOOP = " ha" * 200


def block(seconds: float = 10.0, *speech: tuple[float, float], start: float = 0.0) -> Block:
    spans = speech or ((start, start + seconds),)
    frames = np.zeros((1, round(seconds * 100)), np.float32)
    return Block(start, tuple(Span(int(begin * RATE), int(end * RATE)) for begin, end in spans), frames)


def result(
    text: str = "All is well that ends well.",
    last_end: float = 9.5,
    avg_logprob: float = -0.3,
    no_speech_prob: float = 0.1,
    *,
    complete: bool = True,
) -> Result:
    return Result(text, last_end, avg_logprob, no_speech_prob, complete)


def distinct(length: int) -> str:
    """Text that neither repeats nor loops."""
    return "".join(np.random.default_rng(1).choice(list("abcdefghijklmnopqrstuvwxyz ,."), length))


@pytest.mark.parametrize("attempt", [FITTING, FULL])
def test_a_good_result_is_kept(attempt: Attempt) -> None:
    assert judge(result(), block(), attempt) is Verdict.KEEP
    assert failure(result(), block(), attempt) is None


@pytest.mark.parametrize("attempt", [FITTING, FULL])
@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (result(avg_logprob=-1.01), Doubt.IMPROBABLE),
        (result(complete=False), Doubt.INCOMPLETE),
        (result(text=""), Doubt.NO_WORDS),
        (result(text="and so on and on " * 20), Doubt.REPETITION),
        (result(text="No, no, no, no, no, no, no, no."), Doubt.REPETITION),
        (result(text=distinct(401)), Doubt.TOO_FAST),
    ],
    ids=["improbable", "cut off", "empty", "repetitive", "loop", "too fast"],
)
def test_a_bad_result_is_decoded_again(bad: Result, reason: Doubt, attempt: Attempt) -> None:
    assert judge(bad, block(), attempt) is Verdict.AGAIN
    assert failure(bad, block(), attempt) is reason


def test_at_its_thresholds_a_result_is_kept() -> None:
    assert judge(result(avg_logprob=-1.0, no_speech_prob=1.0), block(), FULL) is Verdict.KEEP
    assert judge(result(avg_logprob=-1.01, no_speech_prob=0.6), block(), FULL) is Verdict.AGAIN


@pytest.mark.parametrize(("avg_logprob", "verdict"), [(-0.7, Verdict.KEEP), (-0.71, Verdict.AGAIN)])
@pytest.mark.parametrize("first", [FITTING, Attempt(0.0, FULL_WINDOW)])
def test_a_first_attempt_has_to_be_more_probable(first: Attempt, avg_logprob: float, verdict: Verdict) -> None:
    assert judge(result(avg_logprob=avg_logprob), block(), first) is verdict


def test_improbable_text_without_speech_is_silence() -> None:
    assert judge(result(text="You", avg_logprob=-1.2, no_speech_prob=0.61), block(), FULL) is Verdict.SILENT


def test_silence_in_a_fitting_window_is_checked_in_the_full_one() -> None:
    assert judge(result(text="You", avg_logprob=-1.2, no_speech_prob=0.61), block(), FITTING) is Verdict.AGAIN


def test_probable_text_is_kept_though_speech_was_doubted() -> None:
    assert judge(result(text="Yes.", avg_logprob=-0.9, no_speech_prob=0.99), block(), FULL) is Verdict.KEEP


@pytest.mark.parametrize(
    ("attempt", "characters", "verdict"),
    [
        (FITTING, 250, Verdict.KEEP),
        (FITTING, 251, Verdict.AGAIN),
        (FULL, 251, Verdict.KEEP),
        (FULL, 400, Verdict.KEEP),
        (FULL, 401, Verdict.AGAIN),
    ],
)
def test_a_fitting_window_is_trusted_with_slower_speech_only(
    attempt: Attempt, characters: int, verdict: Verdict
) -> None:
    assert judge(result(text=distinct(characters)), block(10.0), attempt) is verdict


def test_the_rate_of_a_short_block_is_that_of_a_second() -> None:
    assert judge(result(text=distinct(25), last_end=0.3), block(0.3), FITTING) is Verdict.KEEP
    assert judge(result(text=distinct(26), last_end=0.3), block(0.3), FITTING) is Verdict.AGAIN


@pytest.mark.parametrize(("times", "verdict"), [(5, Verdict.KEEP), (6, Verdict.AGAIN)])
def test_the_same_words_six_times_in_a_row_are_a_loop(times: int, verdict: Verdict) -> None:
    assert judge(result(text="Is it? " + "Yes. " * times + "Then go."), block(), FULL) is verdict


@pytest.mark.parametrize(("last_end", "lost"), [(9.3, True), (9.5, False), (10.0, False), (20.0, False), (0.0, False)])
def test_the_tail_is_lost_if_more_than_0_6_s_of_speech_follow_the_last_segment(last_end: float, lost: bool) -> None:  # noqa: FBT001
    assert lost_tail(result(last_end=last_end), block(10.0, start=0.0)) is lost


def test_a_lost_tail_is_decoded_again_in_the_full_window_where_it_is_kept() -> None:
    assert judge(result(last_end=8.0), block(), FITTING) is Verdict.AGAIN
    assert judge(result(last_end=8.0), block(), FULL) is Verdict.KEEP


def test_quiet_after_the_last_segment_is_no_lost_tail() -> None:
    assert not lost_tail(result(last_end=4.0), block(10.0, (0.0, 4.0), (9.5, 10.0)))
    assert lost_tail(result(last_end=4.0), block(10.0, (0.0, 4.0), (9.3, 10.0)))


def test_the_margin_after_the_speech_is_no_lost_tail() -> None:
    assert not lost_tail(result(last_end=9.1), replace(block(10.0), margin_after=0.4))
    assert lost_tail(result(last_end=8.9), replace(block(10.0), margin_after=0.4))


def test_the_tail_is_searched_in_the_times_of_the_block() -> None:
    assert lost_tail(result(last_end=4.0), block(10.0, start=1000.0))
    assert not lost_tail(result(last_end=9.5), block(10.0, start=1000.0))


results = st.builds(
    Result,
    st.sampled_from(["Fine.", "And now?", LOOP, "so " * 100]),
    st.floats(0, 30),
    st.floats(-5, 0),
    st.floats(0, 1),
)


@given(st.lists(results, min_size=1, max_size=7))
def test_the_best_is_the_most_probable_that_is_not_repetitive(tried: list[Result]) -> None:
    best = tried[best_of(tried)]

    sound = [one for one in tried if one.compression_ratio <= judging.COMPRESSION_RATIO_THRESHOLD]
    assert best in (sound or tried)
    assert all(best.avg_logprob >= one.avg_logprob for one in sound or tried)


def test_a_block_is_tried_in_larger_windows_by_beam_search_and_at_every_temperature() -> None:
    assert attempts((0.0, 0.2, 0.4), (600, 2000, FULL_WINDOW)) == [
        Attempt(0.0, 600),
        Attempt(0.0, 2000, alone=True),
        Attempt(0.0, FULL_WINDOW, beam_search=True, alone=True),
        Attempt(0.2, FULL_WINDOW, alone=True),
        Attempt(0.4, FULL_WINDOW, alone=True),
    ]


def test_a_block_that_needs_the_full_window_is_tried_in_no_other() -> None:
    assert attempts((0.0, 0.2), (FULL_WINDOW,)) == [
        Attempt(0.0, FULL_WINDOW),
        Attempt(0.0, FULL_WINDOW, beam_search=True, alone=True),
        Attempt(0.2, FULL_WINDOW, alone=True),
    ]


def test_the_accurate_search_starts_with_beams_in_the_full_window() -> None:
    assert attempts((0.0, 0.2), (600, 2000, FULL_WINDOW), accurate=True) == [
        Attempt(0.0, FULL_WINDOW, beam_search=True),
        Attempt(0.2, FULL_WINDOW, alone=True),
    ]
    assert attempts((0.5,), (600, FULL_WINDOW), accurate=True) == [Attempt(0.5, FULL_WINDOW)]


def test_a_requested_temperature_is_used_in_every_attempt() -> None:
    assert attempts((0.5,), (FULL_WINDOW,)) == [Attempt(0.5, FULL_WINDOW)]
    assert attempts((0.5,), (600, 2000, FULL_WINDOW)) == [Attempt(0.5, 600), Attempt(0.5, FULL_WINDOW, alone=True)]


def test_repetitions_compress_well() -> None:
    assert judging.compression_ratio(LOOP) > judging.COMPRESSION_RATIO_THRESHOLD
    assert judging.compression_ratio("All is well that ends well.") < judging.COMPRESSION_RATIO_THRESHOLD
    assert judging.compression_ratio("") == 0
