"""What one request asks of the decoder, parsed from texts: pure functions."""

import math
from collections.abc import Collection, Mapping

from speechwhisper.errors import BadFieldError, UnsupportedTaskError
from speechwhisper.recognition import languages
from speechwhisper.recognition.options import TEMPERATURE_STEP, Options, Task

_TRUE = frozenset({"true", "1", "yes", "on"})
_FALSE = frozenset({"false", "0", "no", "off"})


def parse_bool(values: Mapping[str, str], name: str, *, default: bool) -> bool:
    """Read true/false, 1/0, yes/no, on/off; absent or empty gives the default."""
    text = values.get(name, "").strip().lower()
    if not text:
        return default
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise BadFieldError(f"{name} must be true or false", param=name)


def parse_choice(values: Mapping[str, str], name: str, choices: Collection[str], *, default: str) -> str:
    """Read one of the choices; absent or empty gives the default."""
    text = values.get(name, "").strip().lower()
    if not text:
        return default
    if text not in choices:
        raise BadFieldError(f"{name} must be one of {', '.join(choices)}", param=name)
    return text


def parse_task(task: str, known_languages: Collection[str]) -> Task:
    """Refuse what an English-only model cannot do; it would transcribe without saying so."""
    if task != "translate":
        return "transcribe"
    if set(known_languages) == {"en"}:
        raise UnsupportedTaskError("this model knows only English and cannot translate; load a multilingual one")
    return "translate"


def parse_temperatures(values: Mapping[str, str]) -> tuple[float, ...]:
    """Read the first temperature, 0 to 1, and add the hotter ones that follow it on failure."""
    text = values.get("temperature", "").strip()
    try:
        first = float(text) if text else 0.0
    except ValueError:
        first = math.nan
    if not 0.0 <= first <= 1.0:
        raise BadFieldError("temperature must be a number from 0 to 1", param="temperature")
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
    """Read what both doors of the server share.

    Raises:
        BadFieldError: a value means nothing here.
        UnknownLanguageError: the model does not know the language.
        UnsupportedTaskError: the model cannot translate.
    """
    return Options(
        task=parse_task(task, known_languages),
        language=languages.resolve(values.get("language", ""), known_languages),
        prompt=values.get(prompt_field, "").strip() or None,
        temperatures=parse_temperatures(values),
        word_timestamps=word_timestamps,
        vad_filter=parse_bool(values, "vad_filter", default=vad_filter),
    )
