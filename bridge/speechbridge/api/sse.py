"""Writing Server-Sent Events. Source: WHATWG HTML, section 9.2."""

from __future__ import annotations

import json
from typing import Any

KEEP_ALIVE = b": keep-alive\n\n"


def encode(event_type: str, data: Any) -> bytes:
    """Return an event whose data is one line of JSON; half a surrogate pair, which UTF-8 has not, becomes `?`."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return f"event: {event_type}\ndata: {text}\n\n".encode(errors="replace")
