"""Loops are cut, and what Whisper may have invented is reported."""

from __future__ import annotations

import pytest

from speechwhisper.audio.tracks import RATE
from speechwhisper.recognition.blocks import Span
from speechwhisper.recognition.guards import Doubtful, Guard, without_words
from speechwhisper.recognition.judging import Doubt
from speechwhisper.recognition.transcript import Segment, Transcript, TranscriptionInfo
from whisper.scripted import segment

pytestmark = pytest.mark.unit

SPEECH = [Span(0, 60 * RATE)]


def plain(text: str, start: float = 0.0, end: float = 10.0, **changes: object) -> Segment:
    return segment(text, start, end, words=None, **changes)


def around(*segments: Segment) -> list[Span]:
    """Speech as long as the segments."""
    return [Span(int(one.start * RATE), int(one.end * RATE)) for one in segments]


def doubts(*segments: Segment, speech: list[Span] = SPEECH) -> list[Doubtful]:
    guard = Guard()
    guard.check(segments, speech)
    return [one for one in guard.doubtful if one.reason is not Doubt.NO_WORDS]


@pytest.mark.parametrize(
    "text",
    [
        " No, no, no, no, no!",
        " The more I see of the world, the more am I dissatisfied with it.",
        " one two three four five six seven eight nine ten",
        " So I said" + " thank you very much" * 10,
        "",
    ],
)
def test_what_passed_its_checks_is_left_as_it_is(text: str) -> None:
    guard = Guard()
    one = plain(text)

    assert guard.check([one], around(one)) == [one]
    assert guard.doubtful == []


@pytest.mark.parametrize("failed", [Doubt.IMPROBABLE, Doubt.TOO_FAST, Doubt.INCOMPLETE])
def test_what_failed_its_checks_is_doubtful(failed: Doubt) -> None:
    guard = Guard()
    one = plain(" No, no, no, no, no, no!", failed=failed)

    assert guard.check([one], around(one)) == [one]
    assert guard.doubtful == [Doubtful(0.0, 10.0, failed)]


def test_a_cut_loop_is_doubtful() -> None:
    guard = Guard()
    looping = [plain(" Bye." * 6, 0.0, 4.0, failed=Doubt.REPETITION), plain(" Bye.", 4.0, 6.0, failed=Doubt.REPETITION)]

    assert [one.text for one in guard.check(looping, around(*looping))] == [" Bye."]
    assert guard.doubtful == [Doubtful(0.0, 6.0, Doubt.REPETITION)]


def test_segments_that_repeat_the_one_before_are_dropped() -> None:
    guard = Guard()
    looping = [
        plain(" Thank you.", at, at + 2.0, compression_ratio=5.0, failed=Doubt.REPETITION) for at in range(0, 20, 2)
    ]

    kept = [one for each in looping for one in guard.check([each], around(each))]

    assert kept == looping[:1]
    assert guard.doubtful == [Doubtful(0.0, 20.0, Doubt.REPETITION)]


def test_what_is_said_twice_is_heard_twice() -> None:
    guard = Guard()
    said = [plain(" Thank you.", at, at + 2.0) for at in range(0, 6, 2)]

    assert guard.check(said, around(*said)) == said
    assert guard.doubtful == []


def test_more_text_than_anyone_can_say_is_doubtful() -> None:
    said = " The quick brown fox jumps over the lazy dog, while seven wizards brew a hazy potion of xylophones."

    assert [one.reason for one in doubts(plain(said, 0.0, 2.0))] == [Doubt.TOO_FAST]
    assert doubts(plain(said, 0.0, 6.0)) == []


def test_text_where_nobody_speaks_is_doubtful() -> None:
    speech = [Span(0, 5 * RATE), Span(20 * RATE, 25 * RATE)]

    found = doubts(plain(" Hello.", 1.0, 4.0), plain(" Thanks for watching!", 8.0, 12.0), speech=speech)

    assert found == [Doubtful(8.0, 12.0, Doubt.NO_SPEECH)]
    assert doubts(plain(" You", 0.0, 5.0), speech=[]) == [Doubtful(0.0, 5.0, Doubt.NO_SPEECH)]


def test_neighbouring_stretches_are_reported_as_one() -> None:
    improbable = [plain(f" Word {at}.", at, at + 2.0, failed=Doubt.IMPROBABLE) for at in range(0, 6, 2)]

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
