from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from faster_whisper.tokenizer import _LANGUAGE_CODES

from speechwhisper.errors import Problem
from speechwhisper.intake.options import parse_bool, parse_choice, parse_options, parse_temperatures
from speechwhisper.recognition import languages

if TYPE_CHECKING:
    from collections.abc import Iterator

    from speechwhisper.recognition.options import Options

pytestmark = pytest.mark.unit


@contextmanager
def refused(code: str) -> Iterator[pytest.ExceptionInfo[Problem]]:
    with pytest.raises(Problem) as caught:
        yield caught
    assert caught.value.code == code


def parse(task: str = "transcribe", known: tuple[str, ...] = ("en", "de"), **values: str) -> Options:
    return parse_options(
        values, known_languages=known, task=task, prompt_field="prompt", word_timestamps=False, vad_filter=False
    )


def test_every_language_of_faster_whisper_has_a_name() -> None:
    assert set(languages.NAMES) == set(_LANGUAGE_CODES)


@pytest.mark.parametrize("asked", ["de", "DE", " de ", "German", "de-AT", "de_CH"])
def test_a_language_may_be_a_code_a_name_or_a_region(asked: str) -> None:
    assert languages.resolve(asked, ("en", "de")) == "de"


@pytest.mark.parametrize("asked", ["", "auto", "AUTO", "  "])
def test_no_language_means_detect_it(asked: str) -> None:
    assert languages.resolve(asked, ("en", "de")) is None


@pytest.mark.parametrize("asked", ["klingon", "fr", "x" * 10_000, "日本"])
def test_a_language_the_model_lacks_is_refused_in_few_words(asked: str) -> None:
    with refused("unknown_language") as caught:
        languages.resolve(asked, ("en", "de"))

    assert len(caught.value.detail) < 200


def test_an_english_only_model_does_not_translate() -> None:
    with refused("unsupported_task"):
        parse(task="translate", known=("en",))


def test_a_multilingual_model_translates() -> None:
    assert parse(task="translate").task == "translate"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)), ("0", (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)), ("0.7", (0.7, 0.9)), ("1", (1.0,))],
)
def test_hotter_attempts_follow_the_temperature(text: str, expected: tuple[float, ...]) -> None:
    assert parse_temperatures({"temperature": text}) == expected


@pytest.mark.parametrize("text", ["hot", "-0.1", "1.1", "nan", "inf"])
def test_a_temperature_outside_zero_to_one_is_refused(text: str) -> None:
    with refused("bad_field"):
        parse_temperatures({"temperature": text})


@pytest.mark.parametrize(("text", "expected"), [("", None), (" ", None), ("0", 0), (" 12 ", 12)])
def test_an_audio_track_is_a_number_from_0(text: str, expected: int | None) -> None:
    assert parse(audio_track=text).audio_track == expected


@pytest.mark.parametrize("text", ["-1", "1.0", "first", "٣", "+1", "1e1", "9" * 10_000])
def test_any_other_audio_track_is_refused(text: str) -> None:
    with refused("bad_field") as caught:
        parse(audio_track=text)

    assert caught.value.param == "audio_track"


@pytest.mark.parametrize(("text", "expected"), [("", False), ("mixed", False), (" Separate ", True)])
def test_channels_are_mixed_unless_they_are_to_be_separate(text: str, *, expected: bool) -> None:
    assert parse(channels=text).separate_channels is expected


@pytest.mark.parametrize("text", ["2", "true", "left"])
def test_any_other_value_of_channels_is_refused(text: str) -> None:
    with refused("bad_field") as caught:
        parse(channels=text)

    assert caught.value.param == "channels"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"hotwords": " Ada, Grace Hopper "}, "Ada, Grace Hopper"),
        ({"vocabulary": "Ada\nGrace Hopper,\r\n\n"}, "Ada, Grace Hopper"),
        ({"hotwords": " ", "vocabulary": "Ada"}, "Ada"),
        ({"hotwords": ""}, None),
        ({}, None),
    ],
)
def test_hotwords_are_a_list_in_one_of_two_fields(values: dict[str, str], expected: str | None) -> None:
    assert parse(**values).hotwords == expected


def test_hotwords_in_both_fields_are_refused() -> None:
    with refused("bad_field"):
        parse(hotwords="Ada", vocabulary="Grace")


def test_a_blank_prompt_is_no_prompt() -> None:
    assert parse(prompt="  ").prompt is None


def test_a_flag_is_true_or_false() -> None:
    assert parse_bool({"vad_filter": "Yes"}, "vad_filter", default=False)
    assert not parse_bool({"vad_filter": "0"}, "vad_filter", default=True)
    assert parse_bool({}, "vad_filter", default=True)
    with refused("bad_field"):
        parse_bool({"vad_filter": "maybe"}, "vad_filter", default=False)


def test_a_choice_is_one_of_those_offered() -> None:
    assert parse_choice({"output": "SRT"}, "output", ("txt", "srt"), default="txt") == "srt"
    with pytest.raises(Problem, match="txt, srt"):
        parse_choice({"output": "pdf"}, "output", ("txt", "srt"), default="txt")
