"""Read the text fields of a form: right type, known value, or a clear error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechbridge.errors import Problem
from speechbridge.intake.languages import LANGUAGES

if TYPE_CHECKING:
    from collections.abc import Mapping

    Fields = Mapping[str, list[str]]

_TRUE = frozenset({"true", "1", "yes", "on"})
_FALSE = frozenset({"false", "0", "no", "off", ""})
_HOTTEST = 1.0


def text(fields: Fields, name: str) -> str | None:
    """Return a field, or None when it is missing or blank.

    Raises:
        Problem: `bad_field`: it was given more than once.
    """
    values = fields.get(name, [])
    if len(values) > 1:
        raise Problem("bad_field", f"The field '{name}' was given {len(values)} times; give it once.", param=name)
    return values[0] if values and values[0].strip() else None


def boolean(fields: Fields, name: str) -> bool:
    """Return a yes or no, no when it is missing; raises Problem `bad_field`."""
    value = (text(fields, name) or "").strip().lower()
    if value not in _TRUE | _FALSE:
        raise Problem("bad_field", f"The field '{name}' must be true or false, not '{value[:40]}'.", param=name)
    return value in _TRUE


def choice(fields: Fields, name: str, allowed: tuple[str, ...]) -> str:
    """Return one of the allowed values, the first when it is missing; raises Problem `bad_field`."""
    value = (text(fields, name) or allowed[0]).strip()
    if value not in allowed:
        raise Problem("bad_field", f"The field '{name}' must be one of {', '.join(allowed)}.", param=name)
    return value


def language(fields: Fields) -> str | None:
    """Return the ISO 639 code of the recording's language, None to have it detected; raises `unknown_language`."""
    value = (text(fields, "language") or "").strip().lower()
    if value and value not in LANGUAGES:
        raise Problem(
            "unknown_language",
            f"'{value[:40]}' is no language code that Whisper knows, such as en or de.",
            param="language",
        )
    return value or None


def temperature(fields: Fields) -> float | None:
    """Return the sampling temperature (0 to 1), None when it is missing; raises Problem `bad_field`."""
    value = text(fields, "temperature")
    if value is None:
        return None
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not 0 <= number <= _HOTTEST:
        raise Problem("bad_field", "The field 'temperature' must be a number from 0 to 1.", param="temperature")
    return number
