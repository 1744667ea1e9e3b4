"""JSON as the text of a response."""

from __future__ import annotations

import json
from typing import Any

_ENCODER = json.JSONEncoder(ensure_ascii=False)


def encode(document: dict[str, Any]) -> str:
    """Return an object as JSON.

    The elements of its lists are encoded one by one: Python's encoder holds the interpreter's lock until it is done, in
    a thread too.
    """
    members = ", ".join(f"{_ENCODER.encode(name)}: {_text_of(value)}" for name, value in document.items())
    return f"{{{members}}}"


def _text_of(value: Any) -> str:
    return f"[{', '.join(map(_ENCODER.encode, value))}]" if isinstance(value, list) else _ENCODER.encode(value)
