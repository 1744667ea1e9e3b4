"""Encodes Server-Sent Events. Source: WHATWG HTML, section 9.2."""

from __future__ import annotations

import json
from typing import Any

KEEP_ALIVE = b": keep-alive\n\n"


def comment(text: str) -> bytes:
    """Return a comment, which parsers ignore."""
    return f": {text}\n\n".encode()


def encode(event_type: str, data: Any) -> bytes:
    """Return an event with one line of JSON; a lone surrogate, which UTF-8 cannot encode, becomes `?`."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return f"event: {event_type}\ndata: {text}\n\n".encode(errors="replace")
