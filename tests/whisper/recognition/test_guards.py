"""Loops are cut, and what Whisper may have invented is reported."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechwhisper.audio.tracks import RATE
from speechwhisper.recognition.blocks import Span
from speechwhisper.recognition.guards import Doubt, Doubtful, Guard, without_loop, without_words
from speechwhisper.recognition.transcript import Segment, Transcript, TranscriptionInfo, Word
from whisper.scripted import segment

pytestmark = pytest.mark.unit

SPEECH = [Span(0, 60 * RATE)]


def plain(text: str, start: float = 0.0, end: float = 10.0, **changes: object) -> Segment:
    return segment(text, start, end, words=None, **changes)


def doubts(*segments: Segment, speech: list[Span] = SPEECH) -> list[Doubtful]:
    guard = Guard(last_temperature=1.0)
    for one in segments:
        guard.check(one, speech)
    return guard.doubtful


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (" 4.8000" + ",000" * 60, " 4.8000,000"),
        (" So I said" + " thank you very much" * 20, " So I said thank you very much"),
        (" Well" + " ha" * 80 + " and so on.", " Well ha and so on."),
        ("これは" + "ありがとう" * 40, "これはありがとう"),
    ],
)
def test_a_loop_is_cut_at_its_first_repetition(text: str, kept: str) -> None:
    guard = Guard(last_temperature=1.0)

    checked = guard.check(plain(text), SPEECH)

    assert checked is not None
    assert checked.text == kept
    assert guard.doubtful == [Doubtful(0.0, 10.0, Doubt.REPETITION)]


@pytest.mark.parametrize(
    "text",
    [
        " No, no, no, no, no!",
        " The more I see of the world, the more am I dissatisfied with it.",
        " one two three four five six seven eight nine ten",
        "",
    ],
)
def test_ordinary_speech_is_left_as_it_is(text: str) -> None:
    one = plain(text)

    assert without_loop(one) is one
    assert doubts(one) == []


def test_the_words_of_a_loop_are_cut_too() -> None:
    words = tuple(Word(float(number), number + 1.0, text, 0.9) for number, text in enumerate([" So"] + [" ha"] * 90))
    looping = segment("".join(word.text for word in words), 0.0, 91.0, words=words)

    cut = without_loop(looping)

    assert cut.words is not None
    assert (cut.text, "".join(word.text for word in cut.words)) == (" So ha", " So ha")


def test_segments_that_repeat_the_one_before_are_dropped() -> None:
    guard = Guard(last_temperature=1.0)
    looping = [plain(" Thank you.", at, at + 2.0, compression_ratio=5.0) for at in range(0, 20, 2)]

    kept = [one for each in looping if (one := guard.check(each, SPEECH))]

    assert kept == looping[:1]
    assert guard.doubtful == [Doubtful(2.0, 20.0, Doubt.REPETITION)]


def test_what_is_said_twice_is_heard_twice() -> None:
    guard = Guard(last_temperature=1.0)

    assert all(guard.check(plain(" Thank you.", at, at + 2.0), SPEECH) for at in range(0, 6, 2))
    assert guard.doubtful == []


@pytest.mark.parametrize(("temperature", "doubtful"), [(1.0, True), (0.8, False)])
def test_improbable_text_is_doubtful_once_no_temperature_is_left(temperature: float, *, doubtful: bool) -> None:
    found = doubts(plain(" Hello there.", avg_logprob=-1.5, temperature=temperature))

    assert [one.reason for one in found] == [Doubt.IMPROBABLE] * doubtful


def test_more_text_than_anyone_can_say_is_doubtful() -> None:
    said = " The quick brown fox jumps over the lazy dog, while seven wizards brew a hazy potion of xylophones."

    assert [one.reason for one in doubts(plain(said, 0.0, 2.0))] == [Doubt.TOO_FAST]
    assert doubts(plain(said, 0.0, 6.0)) == []


def test_text_where_nobody_speaks_is_doubtful() -> None:
    speech = [Span(0, 5 * RATE), Span(20 * RATE, 25 * RATE)]

    found = doubts(plain(" Hello.", 1.0, 4.0), plain(" Thanks for watching!", 8.0, 12.0), speech=speech)

    assert found == [Doubtful(8.0, 12.0, Doubt.NO_SPEECH)]


def test_neighbouring_stretches_are_reported_as_one() -> None:
    improbable = [plain(f" Word {at}.", at, at + 2.0, avg_logprob=-1.5, temperature=1.0) for at in range(0, 6, 2)]

    assert doubts(*improbable) == [Doubtful(0.0, 6.0, Doubt.IMPROBABLE)]


def spans(*seconds: tuple[float, float]) -> list[Span]:
    return [Span(round(start * RATE), round(end * RATE)) for start, end in seconds]


@pytest.mark.parametrize(
    ("segments", "speech", "stretches"),
    [
        ([], [(3, 8), (9, 12)], [(3, 12)]),
        ([], [(3, 4.4)], []),
        ([], [(3, 4), (9, 9.6)], [(3, 9.6)]),
        ([], [], []),
        ([(0, 5)], [(0, 5)], []),
        ([(2, 5)], [(0, 5)], [(0, 2)]),
        ([(0, 3)], [(0, 5)], [(3, 5)]),
        ([(0, 3)], [(0, 3), (8, 12)], [(8, 12)]),
        ([(0, 3), (6, 8)], [(0, 8)], [(3, 6)]),
        ([(0, 3), (4, 8)], [(0, 8)], []),
        ([(0, 3), (6, 8)], [(0, 3.2), (5.8, 8)], []),
    ],
    ids=[
        "no words",
        "too short",
        "of two noises",
        "no speech",
        "complete",
        "before",
        "after",
        "after a pause",
        "between",
        "short",
        "pause",
    ],
)
def test_speech_without_words_is_reported(
    segments: list[tuple[float, float]], speech: list[tuple[float, float]], stretches: list[tuple[float, float]]
) -> None:
    found = without_words([plain(" Hello.", start, end) for start, end in segments], spans(*speech))

    assert found == [Doubtful(start, end, Doubt.NO_WORDS) for start, end in stretches]


@given(st.text(max_size=300))
def test_a_cut_keeps_beginning_and_order(text: str) -> None:
    cut = without_loop(plain(text)).text

    assert len(cut) <= len(text)
    letters = iter(text)
    assert all(letter in letters for letter in cut)


@pytest.mark.parametrize(("probability", "codes"), [(0.31, ["uncertain_language"]), (0.9, []), (None, [])])
def test_a_language_that_was_guessed_is_a_warning(probability: float | None, codes: list[str]) -> None:
    info = TranscriptionInfo("mn", 5.0, 4.0, 5.0, language_probability=probability)
    transcript = Transcript((plain(" Hello."),), info)

    assert [warning["code"] for warning in transcript.warnings()] == codes


def test_doubtful_stretches_are_listed() -> None:
    info = TranscriptionInfo("en", 5.0, 4.0, 5.0, doubtful=(Doubtful(1.0, 3.5, Doubt.REPETITION),))
    transcript = Transcript((plain(" Hello."),), info)

    assert info.coverage()["doubtful"] == [{"start": 1.0, "end": 3.5, "reason": "repetition"}]
    assert transcript.warnings() == [
        {"code": "doubtful", "message": "2.5 s of the transcript may be wrong; coverage lists them."}
    ]


def test_speech_without_words_is_a_warning_of_its_own() -> None:
    found = (Doubtful(1.0, 3.5, Doubt.REPETITION), Doubtful(6.0, 8.0, Doubt.NO_WORDS))
    transcript = Transcript((plain(" Hello."),), TranscriptionInfo("en", 9.0, 8.0, 9.0, doubtful=found))

    assert transcript.info.coverage()["doubtful"][1] == {"start": 6.0, "end": 8.0, "reason": "no_words"}
    assert [warning["code"] for warning in transcript.warnings()] == ["doubtful", "no_words"]
    assert "2.0 s of what seems to be speech" in transcript.warnings()[1]["message"]


def test_an_empty_transcript_of_speech_does_not_say_that_there_was_none() -> None:
    info = TranscriptionInfo(None, 9.0, 8.0, 9.0, doubtful=(Doubtful(1.0, 8.0, Doubt.NO_WORDS),))

    assert {warning["code"]: warning["message"] for warning in Transcript((), info).warnings()} == {
        "no_words": "No words were recognized in 7.0 s of what seems to be speech; coverage lists them.",
        "no_speech": "No words were recognized in the recording.",
    }
