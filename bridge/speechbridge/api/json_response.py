"""JSON as the body of a response."""

from __future__ import annotations

import json
from typing import Any

_ENCODER = json.JSONEncoder(ensure_ascii=False)
_MANY = 1000


def encode(document: dict[str, Any]) -> bytes:
    """Return an object as JSON; characters that UTF-8 does not have, such as half a surrogate pair, become `?`.

    The elements of long lists are encoded one by one: Python's encoder holds the interpreter's lock until it is done,
    in a thread too.
    """
    longest = max([len(value) for value in document.values() if isinstance(value, list)], default=0)
    if longest <= _MANY:
        return _ENCODER.encode(document).encode(errors="replace")
    members = ", ".join(f"{_ENCODER.encode(name)}: {_text_of(value)}" for name, value in document.items())
    return f"{{{members}}}".encode(errors="replace")


def _text_of(value: Any) -> str:
    return f"[{', '.join(map(_ENCODER.encode, value))}]" if _is_long(value) else _ENCODER.encode(value)


def _is_long(value: Any) -> bool:
    return isinstance(value, list) and len(value) > _MANY
