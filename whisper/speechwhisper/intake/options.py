"""Parses the options of a request from its fields or query parameters: pure functions."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from speechwhisper.errors import Problem
from speechwhisper.recognition import languages
from speechwhisper.recognition.options import TEMPERATURE_STEP, Options, Task

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_OPTIONS = frozenset(
    {
        "audio_track",
        "channels",
        "hotwords",
        "language",
        "model",
        "prompt",
        "response_format",
        "stream",
        "temperature",
        "timestamp_granularities",
        "vad_filter",
        "vocabulary",
    }
)
_GRANULARITIES = re.compile(r"timestamp_granularities(\[\d*\])?")
_TRUE = frozenset({"true", "1", "yes", "on"})
_FALSE = frozenset({"false", "0", "no", "off"})
_MAX_TRACK_DIGITS = 4  # more than any container has tracks


def is_option(name: str) -> bool:
    """Return whether a route reads the form field, which may be one of a list: `timestamp_granularities[]`."""
    return name.partition("[")[0] in _OPTIONS


def parse_bool(values: Mapping[str, str], name: str, *, default: bool) -> bool:
    """Parse true/false, 1/0, yes/no or on/off; the default if missing or empty."""
    text = values.get(name, "").strip().lower()
    if not text:
        return default
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise Problem("bad_field", f"{name} must be true or false.", param=name)


def parse_choice(values: Mapping[str, str], name: str, choices: Collection[str], *, default: str) -> str:
    """Parse one of the choices; the default if missing or empty."""
    text = values.get(name, "").strip().lower()
    if not text:
        return default
    if text not in choices:
        raise Problem("bad_field", f"{name} must be one of {', '.join(choices)}.", param=name)
    return text


def parse_granularities(fields: Mapping[str, list[str]]) -> frozenset[str]:
    """Return the timestamps asked for, `segment` and `word`; none if the field is missing.

    Programs send a list as fields of one name, with `[]` or indexes, separated by commas, or as JSON.
    """
    texts = [value for name in fields if _GRANULARITIES.fullmatch(name) for value in fields[name]]
    words = frozenset(word.strip(" \"[]'").lower() for value in texts for word in value.split(",")) - {""}
    if words - {"segment", "word"}:
        raise Problem(
            "bad_field", "timestamp_granularities[] must be segment or word.", param="timestamp_granularities[]"
        )
    return words


def parse_audio_track(values: Mapping[str, str]) -> int | None:
    """Parse the number of an audio track, from 0; None if missing or empty."""
    text = values.get("audio_track", "").strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_TRACK_DIGITS):
        raise Problem(
            "bad_field", "audio_track must be the number of an audio track: 0, 1, 2, ...", param="audio_track"
        )
    return int(text)


def parse_separate_channels(values: Mapping[str, str]) -> bool:
    """Parse `channels`, `mixed` (the default) or `separate`."""
    return parse_choice(values, "channels", ("mixed", "separate"), default="mixed") == "separate"


def parse_hotwords(values: Mapping[str, str]) -> str | None:
    """Parse names and terms, separated by commas or lines, from `hotwords` or its alias; None if missing or blank."""
    given = [name for name in ("hotwords", "vocabulary") if values.get(name, "").strip()]
    if len(given) > 1:
        raise Problem("bad_field", "hotwords and vocabulary are the same option; send one of them.", param="vocabulary")
    lines = (line.strip(" \t,") for name in given for line in values[name].splitlines())
    return ", ".join(line for line in lines if line) or None


def parse_task(task: str, known_languages: Collection[str]) -> Task:
    """Return the task; reject a translation by an English-only model, which would silently transcribe."""
    if task != "translate":
        return "transcribe"
    if set(known_languages) == {"en"}:
        raise Problem("unsupported_task", "The model is English-only and cannot translate; a multilingual one can.")
    return "translate"


def parse_temperatures(values: Mapping[str, str]) -> tuple[float, ...]:
    """Parse the first temperature, 0 to 1, and add the hotter ones to retry at."""
    text = values.get("temperature", "").strip()
    try:
        first = float(text) if text else 0.0
    except ValueError:
        first = math.nan
    if not 0.0 <= first <= 1.0:
        raise Problem("bad_field", "temperature must be a number from 0 to 1.", param="temperature")
    steps = int((1.0 - first) / TEMPERATURE_STEP + 1e-6)
    return tuple(round(first + step * TEMPERATURE_STEP, 3) for step in range(steps + 1))


def parse_options(
    values: Mapping[str, str],
    *,
    known_languages: Collection[str],
    task: str,
    prompt_field: str,
    word_timestamps: bool,
    vad_filter: bool,
) -> Options:
    """Parse the options shared by `/asr` and the routes under `/v1`.

    Raises:
        Problem: `bad_field`, `unknown_language` or `unsupported_task`.
    """
    return Options(
        task=parse_task(task, known_languages),
        audio_track=parse_audio_track(values),
        separate_channels=parse_separate_channels(values),
        language=languages.resolve(values.get("language", ""), known_languages),
        hotwords=parse_hotwords(values),
        prompt=values.get(prompt_field, "").strip() or None,
        temperatures=parse_temperatures(values),
        word_timestamps=word_timestamps,
        vad_filter=parse_bool(values, "vad_filter", default=vad_filter),
    )
