"""Reads a JSON body within bounds: of size, of memory, of values, and of nesting."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from speechbridge.errors import Problem
from speechbridge.off_loop import off_loop

if TYPE_CHECKING:
    from speechbridge.intake.body import Body
    from speechbridge.intake.budget import Share

_COPIES = 4  # the body as it arrives, as text, as values, and decoded from base64 or encoded for the model server
_BYTES_PER_VALUE = 128  # of a small list, dict or string, with its place in its container
_MAX_VALUES = 200_000
_MAX_DEPTH = 64
_VALUE_MARKS = (b"[", b"{", b",")


async def read_object(body: Body, limit: int, declared: int | None, memory: Share, hint: str) -> dict[str, Any]:
    """Read a JSON object.

    Args:
        body: The body.
        limit: Its maximum size in bytes.
        declared: Its size in bytes according to the headers, if they reveal it.
        memory: The request's share of the memory; it grows before the body is read, to what its object may need.
        hint: What the object should have, for the error message.

    Raises:
        Problem: `upload_too_large`, `bad_json`, or `overloaded`: there is no memory for it.
    """
    data = bytearray()
    largest = min(limit, memory.limit // _COPIES)
    _reserve(declared or 0, largest, memory)
    while chunk := await body.read():
        _reserve(body.received, largest, memory)
        data += chunk
    # Marks within strings count too: that is cheap, and no text for a model has so many of them.
    values = await off_loop(len(data), _count_values, data)
    if values > _MAX_VALUES:
        raise Problem("bad_json", f"The body has more than {_MAX_VALUES} values.")
    memory.grow_to(memory.size + _BYTES_PER_VALUE * values)
    return await off_loop(len(data), _parsed, data, hint)


def _count_values(data: bytearray) -> int:
    return sum(data.count(mark) for mark in _VALUE_MARKS)


def _reserve(size: int, largest: int, memory: Share) -> None:
    if size > largest:
        raise Problem("upload_too_large", f"The body is larger than the maximum of {largest} bytes.")
    memory.grow_to(_COPIES * size)


def _parsed(data: bytearray, hint: str) -> dict[str, Any]:
    try:
        sent = json.loads(data)
    except RecursionError:
        raise _too_deep() from None
    except ValueError:
        sent = None
    if not isinstance(sent, dict):
        raise Problem("bad_json", f"The body must be a JSON object with {hint}; 'model' is optional.")
    _check_depth(sent)
    return sent


def _check_depth(value: dict[str, Any]) -> None:
    """Reject deep nesting: what can be parsed could not be encoded again."""
    level: list[Any] = [value]
    for _ in range(_MAX_DEPTH):
        level = [
            child
            for item in level
            for child in (item.values() if isinstance(item, dict) else item)
            if isinstance(child, dict | list)
        ]
        if not level:
            return
    raise _too_deep()


def _too_deep() -> Problem:
    return Problem("bad_json", f"The body is nested more than {_MAX_DEPTH} levels deep.")
