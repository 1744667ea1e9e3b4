"""Reads a large JSON object member by member, in steps that are short.

Python's JSON parser holds the interpreter's lock until it has parsed all of its text, in a thread too: 10 MB would stop
every other request for a tenth of a second. Here the elements of lists are parsed one by one, so that in a thread the
event loop takes turns with them.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_DECODER = json.JSONDecoder()
_SPACE = re.compile(r"[ \t\n\r]*")


def members(text: str) -> Iterator[tuple[str, Any]]:
    """Yield the members of an object in the order in which they were written; who has enough stops early.

    Raises:
        ValueError: The text is not a JSON object.
    """
    at = _after(text, 0, "{")
    if text[at : at + 1] == "}":
        _check_end(text, at + 1)
        return
    while True:
        name, at = _DECODER.raw_decode(text, at)
        if not isinstance(name, str):
            raise _invalid(at)
        at = _after(text, at, ":")
        if text[at : at + 1] == "[":
            value, at = _list(text, at)
        else:
            value, at = _DECODER.raw_decode(text, at)
        yield name, value
        at = _skip(text, at)
        if text[at : at + 1] == "}":
            _check_end(text, at + 1)
            return
        at = _after(text, at, ",")


def _list(text: str, at: int) -> tuple[list[Any], int]:
    """Return the list at a position, and the position after it."""
    items: list[Any] = []
    at = _skip(text, at + 1)
    if text[at : at + 1] == "]":
        return items, at + 1
    while True:
        item, at = _DECODER.raw_decode(text, at)
        items.append(item)
        at = _skip(text, at)
        if text[at : at + 1] == "]":
            return items, at + 1
        at = _after(text, at, ",")


def _after(text: str, at: int, mark: str) -> int:
    """Return the position of what follows a mark, which is next but for white space."""
    at = _skip(text, at)
    if text[at : at + 1] != mark:
        raise _invalid(at)
    return _skip(text, at + 1)


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _check_end(text: str, at: int) -> None:
    if _skip(text, at) != len(text):
        raise _invalid(at)


def _invalid(at: int) -> ValueError:
    return ValueError(f"invalid JSON at character {at}")
