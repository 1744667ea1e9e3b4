r"""Converts GitHub's Markdown, in which the pages are written, to that of Python-Markdown, which MkDocs uses.

GitHub follows CommonMark (https://spec.commonmark.org/0.31.2/) and its own tables (https://github.github.com/gfm/).
Python-Markdown differs: the content of a list item is indented by four columns whatever its marker, a list, a table or
a fenced block needs a blank line before it, and `\|` within code in a table keeps its backslash.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_FENCE = re.compile(r"(?P<marker>`{3,}|~{3,})")
_ITEM = re.compile(r"(?P<marker>[-*+]|\d{1,9}[.)])(?P<space> +)(?=\S)")
_COMMENT = re.compile(r"<!--.*-->\s*")
_DELIMITERS = re.compile(r"\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*")
_CODE = re.compile(r"(`+)(.+?)\1")
_INDENT = 4


class _Item(NamedTuple):
    """An open list item: the columns of its marker and of its content in the source."""

    marker: int
    content: int


def python_markdown(text: str) -> str:
    """Return a page in Python-Markdown's dialect that looks as the page does on GitHub."""
    return "\n".join(_Converter(text).lines()) + "\n"


class _Converter:
    def __init__(self, text: str) -> None:
        self._source = text.splitlines()
        self._lines: list[str] = []
        self._items: list[_Item] = []
        self._fence = ""
        self._loose = False  # whether a blank line has been written since the last item began

    def lines(self) -> list[str]:
        for number, line in enumerate(self._source):
            indent = len(line) - len(line.lstrip())
            if self._fence:
                self._in_fence(line)
            elif not line.strip():
                self._blank()
            elif _COMMENT.fullmatch(line.lstrip()):
                continue
            else:
                started = self._close_items(indent)
                self._add(line.lstrip(), indent, number, first=not started)
        return self._lines

    def _close_items(self, indent: int) -> bool:
        """Close the items that a line so indented does not belong to; return whether it continues their list."""
        closed = None
        while self._items and indent < self._items[-1].content:
            closed = self._items.pop()
        return closed is not None and closed.marker <= indent

    def _add(self, text: str, indent: int, number: int, *, first: bool) -> None:
        if found := _FENCE.match(text):
            self._blank()
            self._fence = found["marker"]
        elif found := self._item(text, first=first):
            nested_at_once = self._items and _ITEM.match(self._lines[-1].lstrip())
            if self._loose or (first and not nested_at_once):
                self._blank()
            self._start_item(text, found, indent)
            return
        elif self._starts_table(text, number):
            self._blank()
        self._lines.append(self._moved(indent) + _in_table(text))

    def _item(self, text: str, *, first: bool) -> re.Match[str] | None:
        """Return the marker of a list item; within a paragraph, a number other than 1 begins no list."""
        found = _ITEM.match(text)
        in_paragraph = bool(self._lines and self._lines[-1])
        return None if found and first and in_paragraph and found["marker"][:-1] not in {"", "1"} else found

    def _start_item(self, text: str, found: re.Match[str], indent: int) -> None:
        content = text[found.end() :]
        self._lines.append(f"{self._moved(indent)}{found['marker']} {content}")
        self._items.append(_Item(indent, indent + found.end()))
        self._loose = False

    def _in_fence(self, line: str) -> None:
        opened_at = self._items[-1].content if self._items else 0
        indent = min(len(line) - len(line.lstrip()), opened_at) if line.strip() else 0
        self._lines.append((" " * _INDENT * len(self._items) + line[indent:]) if line.strip() else "")
        text = line.strip()
        if text and set(text) == {self._fence[0]} and len(text) >= len(self._fence):
            self._fence = ""
            self._blank()

    def _starts_table(self, text: str, number: int) -> bool:
        following = self._source[number + 1].strip() if number + 1 < len(self._source) else ""
        return text.startswith("|") and "-" in following and bool(_DELIMITERS.fullmatch(following))

    def _moved(self, indent: int) -> str:
        extra = indent - self._items[-1].content if self._items else indent
        return " " * (_INDENT * len(self._items) + extra)

    def _blank(self) -> None:
        self._loose = True
        if self._lines and self._lines[-1]:
            self._lines.append("")


def _in_table(text: str) -> str:
    if not text.startswith("|"):
        return text
    return _CODE.sub(lambda code: code[0].replace("\\|", "|"), text)
