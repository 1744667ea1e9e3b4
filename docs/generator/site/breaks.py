"""Where long names in tables may be broken into lines: after a separator, not within a word."""

from __future__ import annotations

import re

_CELL = re.compile(r"<td[^>]*>.*?</td>", re.DOTALL)
_CODE = re.compile(r"<code>([^<]*)</code>")
_SEPARATOR = re.compile(r"(?<=\w)([/_.=,:-]+)(?=\w)")
_LONG = 16
"""Characters up to which a name stays in one line."""


def breakable(html: str) -> str:
    """Return the HTML of a page with opportunities for line breaks in the code of its tables."""
    return _CELL.sub(lambda cell: _CODE.sub(_broken, cell[0]), html)


def _broken(code: re.Match[str]) -> str:
    text = code[1]
    if len(text) <= _LONG:
        return code[0]
    return "<code>" + _SEPARATOR.sub(r"\1<wbr>", text) + "</code>"
