"""Writes JSON in steps that are short.

Python's encoder holds the interpreter's lock until it has encoded all, in a thread too. Here, values are encoded one by
one, and long strings in slices. The result is that of `json.dumps`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from speechbridge.off_loop import LARGE_BYTES, STEP_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator

_MANY_VALUES = 10_000


def size_of(value: Any) -> int:
    """Return about how many characters a value has as JSON; counting stops when they are many."""
    size, count, left = 0, 0, [value]
    while left and size <= LARGE_BYTES:
        item = left.pop()
        count += 1
        if count > _MANY_VALUES:
            return LARGE_BYTES + 1
        if isinstance(item, str):
            size += len(item)
        elif isinstance(item, dict):
            left += item.values()
        elif isinstance(item, list):
            left += item
    return size


def encoded(value: Any) -> bytes:
    """Return a value as JSON."""
    return "".join(_pieces(value)).encode()


def _pieces(value: Any) -> Iterator[str]:
    if isinstance(value, str) and len(value) > STEP_BYTES:
        yield '"'
        for at in range(0, len(value), STEP_BYTES):
            yield json.dumps(value[at : at + STEP_BYTES])[1:-1]
        yield '"'
    elif isinstance(value, dict) and value:
        mark = "{"
        for name, member in value.items():
            yield f"{mark}{json.dumps(name)}: "
            yield from _pieces(member)
            mark = ", "
        yield "}"
    elif isinstance(value, list) and value:
        mark = "["
        for item in value:
            yield mark
            yield from _pieces(item)
            mark = ", "
        yield "]"
    else:
        yield json.dumps(value)
