"""Text from elsewhere, made harmless for a terminal.

An escape sequence in a transcript or a message could rewrite the screen, the title of the window, or the clipboard.
Lone surrogates are bytes of a proxy that are not UTF-8: they cannot be written at all.
"""

from __future__ import annotations

import json
from typing import Any

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_KEPT = "\n\t"
_C0, _DELETE_AND_C1, _SURROGATES = range(0x20), range(0x7F, 0xA0), range(0xD800, 0xE000)
_VISIBLE = {code: REPLACEMENT for code in (*_C0, *_DELETE_AND_C1, *_SURROGATES) if chr(code) not in _KEPT}
_ESCAPED = {code: f"\\u{code:04x}" for code in (*_DELETE_AND_C1, *_SURROGATES)}


def printable(text: str) -> str:
    """Return the text with a visible character for each control character except newlines and tabs."""
    return text.translate(_VISIBLE)


def json_text(value: Any, indent: int | None = 2) -> str:
    """Return a value as JSON whose control characters are all escaped; json itself escapes only those below U+0020."""
    return json.dumps(value, indent=indent, ensure_ascii=False).translate(_ESCAPED)
