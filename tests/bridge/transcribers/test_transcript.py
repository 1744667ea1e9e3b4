"""What the bridge makes of a Whisper server's answer."""

import pytest

from speechbridge.transcribers.transcript import transcript_from
from speechbridge.upstreams.failures import FailureKind, UpstreamError

pytestmark = pytest.mark.unit

SEGMENT = {"start": 0.0, "end": 1.5, "text": " Hello"}


def test_segments_without_a_text_are_joined() -> None:
    transcript = transcript_from({"segments": [SEGMENT, {"start": 1.5, "end": 2.0, "text": " there."}]})

    assert transcript.text == "Hello there."
    assert transcript.duration == 2.0


def test_words_beside_the_segments_are_handed_to_the_segments_they_were_said_in() -> None:
    words = [{"word": "Hello", "start": 0.1, "end": 0.4}, {"word": "there", "start": 1.6, "end": 1.9}]
    segments = [SEGMENT, {"start": 1.5, "end": 2.0, "text": " there."}]

    transcript = transcript_from({"text": "Hello there.", "segments": segments, "words": words})

    assert [[word["word"] for word in segment.words] for segment in transcript.segments] == [["Hello"], ["there"]]


@pytest.mark.parametrize(
    ("reported", "code"),
    [
        ("en", "en"),
        ("english", "en"),
        ("Haitian Creole", "ht"),
        ("hsb", "hsb"),
        ("klingon", None),
        ("", None),
        (7, None),
    ],
)
def test_the_language_is_a_code_however_whisper_reports_it(reported: object, code: str | None) -> None:
    assert transcript_from({"text": "Hello", "language": reported}).language == code


@pytest.mark.parametrize(
    "answer",
    [
        [],
        {},
        {"text": "Hello", "segments": "many"},
        {"segments": [{"text": "no times"}]},
        {"segments": [{**SEGMENT, "start": float("nan")}]},
        {"segments": [{**SEGMENT, "end": float("inf")}]},
        {"segments": [None]},
    ],
)
def test_nonsense_is_a_bad_answer(answer: object) -> None:
    with pytest.raises(UpstreamError) as raised:
        transcript_from(answer)

    assert raised.value.kind is FailureKind.BAD_ANSWER
