"""Parses and validates the fields of `POST /process` for the language model."""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any

from speechbridge.errors import Problem
from speechbridge.generators.options import GenerationOptions, JsonFormat, think_of
from speechbridge.intake import fields

if TYPE_CHECKING:
    from speechbridge.generators.options import Think
    from speechbridge.intake.fields import Fields

_MAX_TEMPERATURE = 2.0
_MAX_TOKENS = 2**31 - 1
_MAX_SEED = 2**63 - 1
_MAX_STOPS = 16
_MAX_KEEP_ALIVE_CHARS = 32
_DURATION = re.compile(r"-?\d+|-?(\d+(\.\d+)?(ns|us|ms|s|m|h))+")  # seconds, or as Go writes durations
_SCHEMA_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
FIELDS = frozenset({"temperature", "max_tokens", "seed", "stop", "response_format", "keep_alive", "think"})
_DEFAULTS = GenerationOptions()


def generation_options(form: Fields, *, ollama: bool) -> GenerationOptions:
    """Return how the model is to answer.

    Args:
        form: The text fields received so far.
        ollama: Whether the model server is Ollama; only it has `keep_alive`.

    Raises:
        Problem: `bad_field`.
    """
    if FIELDS.isdisjoint(form):  # as in most requests
        return _DEFAULTS
    return GenerationOptions(
        temperature=_temperature(form),
        max_tokens=_integer(form, "max_tokens", 1, _MAX_TOKENS),
        seed=_integer(form, "seed", -_MAX_SEED, _MAX_SEED),
        stop=_stop(form),
        json_format=_json_format(form),
        keep_alive=_keep_alive(form, ollama=ollama),
        think=_think(form),
    )


def _temperature(form: Fields) -> float | None:
    value = fields.text(form, "temperature")
    if value is None:
        return None
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not 0 <= number <= _MAX_TEMPERATURE:
        raise _invalid("temperature", f"must be a number from 0 to {_MAX_TEMPERATURE:g}")
    return number


def _integer(form: Fields, name: str, minimum: int, maximum: int) -> int | None:
    value = (fields.text(form, name) or "").strip()
    if not value:
        return None
    digits = value.removeprefix("-")
    number = int(value) if digits.isascii() and digits.isdigit() and len(digits) <= len(str(maximum)) else None
    if number is None or not minimum <= number <= maximum:
        raise _invalid(name, f"must be an integer from {minimum} to {maximum}")
    return number


def _stop(form: Fields) -> tuple[str, ...]:
    """Return the stop texts: the field may be repeated, or be a JSON list; a line break is one, though blank."""
    stops: list[str] = []
    for value in form.get("stop", []):
        listed = _json(value) if value.lstrip().startswith("[") else None
        stops += listed if isinstance(listed, list) else [value]
    stops = [stop for stop in stops if stop != ""]
    if len(stops) > _MAX_STOPS or not all(isinstance(stop, str) for stop in stops):
        raise _invalid("stop", f"must be text, or a JSON list of texts; at most {_MAX_STOPS} in all")
    return tuple(stops)


def _json_format(form: Fields) -> JsonFormat | None:
    value = (fields.text(form, "response_format") or "text").strip()
    wanted = {"type": value} if value in {"text", "json_object"} else _json(value)
    if isinstance(wanted, dict):
        if wanted.get("type") == "text":
            return None
        if wanted.get("type") == "json_object":
            return JsonFormat()
        if wanted.get("type") != "json_schema":
            return JsonFormat(schema=wanted)
        named = wanted.get("json_schema")
        if isinstance(named, dict) and isinstance(named.get("schema"), dict):
            return _named_schema(named)
    raise _invalid(
        "response_format",
        "must be text, json_object, a JSON schema, or an object such as"
        ' {"type": "json_schema", "json_schema": {"name": "answer", "schema": {...}}}',
    )


def _named_schema(named: dict[str, Any]) -> JsonFormat:
    name, strict = named.get("name", "answer"), named.get("strict")
    if not isinstance(name, str) or not _SCHEMA_NAME.fullmatch(name):
        raise _invalid("response_format", "needs a name of 1 to 64 letters, digits, - or _ for its schema")
    if not isinstance(strict, bool | None):
        raise _invalid("response_format", "has a 'strict' that is neither true nor false")
    return JsonFormat(named["schema"], name, strict)


def _keep_alive(form: Fields, *, ollama: bool) -> str | None:
    value = (fields.text(form, "keep_alive") or "").strip()
    if not value:
        return None
    if not ollama:
        raise _invalid("keep_alive", "is an option of Ollama, but the language model server is another")
    if len(value) > _MAX_KEEP_ALIVE_CHARS or not _DURATION.fullmatch(value):
        raise _invalid("keep_alive", "must be seconds, or a duration such as 30m; -1 keeps the model in memory")
    return value


def _think(form: Fields) -> Think | None:
    value = (fields.text(form, "think") or "").strip().lower()
    think = think_of(value)
    if value and think is None:
        raise _invalid("think", "must be true, false, low, medium or high")
    return think


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _invalid(name: str, requirement: str) -> Problem:
    return Problem("bad_field", f"The field '{name}' {requirement}.", param=name)
