"""Loops are cut at their first repetition, within a segment and across segments."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechwhisper.recognition.judging import Doubt
from speechwhisper.recognition.loops import without_loops
from speechwhisper.recognition.transcript import Segment, Word
from whisper.scripted import segment

pytestmark = pytest.mark.unit

SENTENCE = " The manner in which he spoke of it, and the smile that went with it, told her more than he had intended."
OTHER = " She looked at him with some surprise, and said nothing."


def failed(*texts: str, reason: Doubt | None = Doubt.REPETITION) -> list[Segment]:
    return [segment(text, at, at + 1.0, words=None, failed=reason) for at, text in enumerate(texts)]


def cut(*texts: str) -> list[str]:
    return [one.text for one in without_loops(failed(*texts)) if one]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (" 4.8000" + ",000" * 60, " 4.8000,000"),
        (" So I said" + " thank you very much" * 20, " So I said thank you very much"),
        (" Well" + " ha" * 80 + " and so on.", " Well ha and so on."),
        (" He laughed" + " ha" * 8 + " and went on with his story.", " He laughed ha and went on with his story."),
        ("これは" + "ありがとう" * 40, "これはありがとう"),
        (SENTENCE * 4, SENTENCE),
        ((SENTENCE + OTHER) * 3, SENTENCE + OTHER),
        (OTHER * 3 + " And then" + " ha" * 7 + " it ended.", OTHER + " And then ha it ended."),
        (" It is" + SENTENCE * 3 + SENTENCE[:40], " It is" + SENTENCE),
    ],
    ids=["digits", "words", "syllables", "laughter", "Japanese", "sentence", "two", "two loops", "cut short"],
)
def test_a_loop_within_a_segment_is_cut_at_its_first_repetition(text: str, kept: str) -> None:
    assert cut(text) == [kept]


def test_a_loop_of_several_segments_is_cut_at_its_first_repetition() -> None:
    assert cut(*[" Thank you.", " Bye."] * 12) == [" Thank you.", " Bye."]
    assert cut(" Well.", *[SENTENCE, OTHER] * 4, " Good.") == [" Well.", SENTENCE, OTHER, " Good."]
    assert cut("はい。", *["どうもありがとう。", "さようなら。"] * 6, "では。") == [
        "はい。",
        "どうもありがとう。",
        "さようなら。",
        "では。",
    ]


def test_a_loop_that_begins_and_ends_within_segments_is_cut() -> None:
    assert cut(" So" + OTHER, OTHER, OTHER + " The end.") == [" So" + OTHER, " The end."]


@pytest.mark.parametrize("times", [1, 2])
def test_a_sentence_that_is_said_twice_is_no_loop(times: int) -> None:
    assert cut(SENTENCE * times) == [SENTENCE * times]


@pytest.mark.parametrize("reason", [None, *(one for one in Doubt if one is not Doubt.REPETITION)])
def test_only_what_failed_for_repetition_is_cut(reason: Doubt | None) -> None:
    said = failed(*[" Thank you.", " Bye."] * 12, reason=reason)

    assert without_loops(said) == said


def test_a_loop_does_not_reach_into_what_passed_its_checks() -> None:
    good = failed(" Ha.", reason=None)
    looping = failed(*[" Ha."] * 9)

    assert without_loops([*good, *looping]) == [*good, looping[0], *[None] * 8]


def test_the_words_of_a_loop_are_cut_too() -> None:
    words = tuple(Word(float(number), number + 1.0, text, 0.9) for number, text in enumerate([" So"] + [" ha"] * 90))
    text = "".join(word.text for word in words)

    (one,) = without_loops([segment(text, 0.0, 91.0, words=words, failed=Doubt.REPETITION)])

    assert one is not None
    assert (one.text, one.words) == (" So ha", words[:2])


texts = st.lists(st.text(st.sampled_from("ab ,."), max_size=60) | st.sampled_from([SENTENCE, OTHER]), max_size=8)


@given(texts)
def test_a_cut_keeps_order_and_invents_nothing(said: list[str]) -> None:
    letters = iter("".join(said))

    assert all(letter in letters for letter in "".join(cut(*said)))


@given(texts)
def test_segments_keep_their_places(said: list[str]) -> None:
    segments = failed(*said)

    kept = without_loops(segments)

    assert [one and one.start for one in kept] == [one and was.start for one, was in zip(kept, segments, strict=True)]
