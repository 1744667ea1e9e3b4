"""Markdown for generated pages: the page, tables, values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic_core import PydanticUndefined

from speechbridge.settings import GIB, KIB, MIB

if TYPE_CHECKING:
    from collections.abc import Iterable

_NOTICE = "<!-- Written by docs/generate.py from the code; run `make docs` after a change there. -->\n"


def page(title: str, *parts: str) -> str:
    """Return a page with its notice and title; parts without a line break at the end get one."""
    body = "\n".join(part if part.endswith("\n") else f"{part}\n" for part in parts)
    return f"{_NOTICE}\n# {title}\n\n{body}"


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Return a table in Markdown."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def default(value: Any) -> str:
    """Return a default in Markdown, large sizes with their unit; empty if there is none."""
    if value is PydanticUndefined:
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    for size, unit in ((GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")):
        if isinstance(value, int) and value and value % size == 0:
            return f"`{value}` ({value // size} {unit})"
    if isinstance(value, float):
        return f"`{value:g}`"
    return f"`{value}`" if value not in (None, (), {}) and str(value) else ""


def capital(text: str) -> str:
    """Return a text with a capital at its start."""
    return text[:1].upper() + text[1:]
