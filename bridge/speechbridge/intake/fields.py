"""Parses and validates the text fields of a form."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from speechbridge import languages
from speechbridge.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    Fields = Mapping[str, list[str]]

FIELD_NAMES = frozenset(
    {
        "audio_track",
        "channels",
        "hotwords",
        "initial_prompt",
        "keep_alive",
        "language",
        "max_tokens",
        "model",
        "prompt",
        "response_format",
        "seed",
        "stop",
        "stream",
        "system",
        "task",
        "temperature",
        "think",
        "timestamp_granularities",
        "vad_filter",
        "vocabulary",
        "whisper_temperature",
    }
)
"""The fields that routes read; the form keeps no others. Each may have an index: `timestamp_granularities[]`."""
_GRANULARITIES = re.compile(r"timestamp_granularities(\[\d*\])?")
_TRUE = frozenset({"true", "1", "yes", "on"})
_BOOLEANS = _TRUE | {"false", "0", "no", "off", ""}
_MAX_TEMPERATURE = 1.0
_MAX_TRACK_DIGITS = 4  # more than any container has tracks


def is_option(name: str) -> bool:
    """Return whether a route reads the field, which may be one of a list: `timestamp_granularities[]`."""
    return name.partition("[")[0] in FIELD_NAMES


def text(fields: Fields, name: str) -> str | None:
    """Return a field, or None if it is missing or blank.

    Raises:
        Problem: `bad_field`: the field was sent more than once.
        LookupError: The field is not in `FIELD_NAMES`, so no form keeps it: an error of the caller.
    """
    if name not in FIELD_NAMES:
        message = f"the field {name!r} is not in FIELD_NAMES"
        raise LookupError(message)
    values = fields.get(name, [])
    if len(values) > 1:
        raise Problem("bad_field", f"The field '{name}' was sent {len(values)} times; send it once.", param=name)
    return values[0] if values and values[0].strip() else None


def boolean(fields: Fields, name: str) -> bool:
    """Return a boolean field, False if it is missing; raises Problem `bad_field`."""
    value = (text(fields, name) or "").strip().lower()
    if value not in _BOOLEANS:
        raise Problem("bad_field", f"The field '{name}' must be true or false, not '{value[:40]}'.", param=name)
    return value in _TRUE


def optional_boolean(fields: Fields, name: str) -> bool | None:
    """Return a boolean field, None if it is missing; raises Problem `bad_field`."""
    return None if text(fields, name) is None else boolean(fields, name)


def choice(fields: Fields, name: str, allowed: tuple[str, ...]) -> str:
    """Return one of the allowed values, the first if it is missing; raises Problem `bad_field`."""
    value = (text(fields, name) or allowed[0]).strip().lower()
    if value not in allowed:
        raise Problem("bad_field", f"The field '{name}' must be one of {', '.join(allowed)}.", param=name)
    return value


def granularities(fields: Fields) -> frozenset[str]:
    """Return the timestamps asked for, `segment` and `word`; none if the field is missing; raises Problem `bad_field`.

    Programs send a list as fields of one name, with `[]` or indexes, separated by commas, or as JSON.
    """
    texts = [value for name in fields if _GRANULARITIES.fullmatch(name) for value in fields[name]]
    words = frozenset(word.strip(" \"[]'").lower() for value in texts for word in value.split(",")) - {""}
    if words - {"segment", "word"}:
        raise Problem(
            "bad_field", "'timestamp_granularities[]' must be segment or word.", param="timestamp_granularities[]"
        )
    return words


def language(fields: Fields) -> str | None:
    """Return Whisper's code of the language, None for automatic detection; raises Problem `unknown_language`."""
    value = text(fields, "language") or ""
    if languages.is_detection(value):
        return None
    code = languages.code_of(value)
    if code is None:
        raise Problem(
            "unknown_language",
            f"{value[:40]!r} is not a language that Whisper supports; send a code such as en or de.",
            param="language",
        )
    return code


def audio_track(fields: Fields) -> int | None:
    """Return the number of the audio track, from 0; None if it is missing; raises Problem `bad_field`."""
    value = (text(fields, "audio_track") or "").strip()
    if not value:
        return None
    if not (value.isascii() and value.isdigit() and len(value) <= _MAX_TRACK_DIGITS):
        raise Problem(
            "bad_field", "The field 'audio_track' must be a number of an audio track: 0, 1, ...", param="audio_track"
        )
    return int(value)


def separate_channels(fields: Fields) -> bool:
    """Return whether `channels` is `separate`; `mixed` is the default; raises Problem `bad_field`."""
    return choice(fields, "channels", ("mixed", "separate")) == "separate"


def hotwords(fields: Fields) -> str | None:
    """Return names and terms in `hotwords` or its alias `vocabulary`; None if missing; raises Problem `bad_field`."""
    given = [value for name in ("hotwords", "vocabulary") if (value := text(fields, name))]
    if len(given) > 1:
        raise Problem(
            "bad_field", "The fields 'hotwords' and 'vocabulary' are the same option; send one.", param="vocabulary"
        )
    lines = (line.strip(" \t,") for value in given for line in value.splitlines())
    return ", ".join(line for line in lines if line) or None


def task(fields: Fields) -> Literal["transcribe", "translate"]:
    """Return what Whisper does, `transcribe` if it is missing; raises Problem `bad_field`."""
    return "translate" if choice(fields, "task", ("transcribe", "translate")) == "translate" else "transcribe"


def temperature(fields: Fields, name: str = "temperature") -> float | None:
    """Return Whisper's sampling temperature (0 to 1), None if it is missing; raises Problem `bad_field`."""
    value = text(fields, name)
    if value is None:
        return None
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not 0 <= number <= _MAX_TEMPERATURE:
        raise Problem("bad_field", f"The field '{name}' must be a number from 0 to 1.", param=name)
    return number
