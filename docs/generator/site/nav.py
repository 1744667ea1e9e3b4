"""The navigation: a folder in mkdocs.yml stands for its pages that are not listed elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def expanded(nav: list[Any], docs: Path) -> list[Any]:
    """Return the navigation with each entry that ends in `/` replaced by the other pages of that folder, by name.

    A new decision, runbook or reference page thus needs no line in mkdocs.yml.
    """
    return _expanded(nav, docs, set(pages(nav)))


def _expanded(entries: list[Any], docs: Path, listed: set[str]) -> list[Any]:
    found: list[Any] = []
    for entry in entries:
        if isinstance(entry, str) and entry.endswith("/"):
            names = sorted(f"{entry}{file.name}" for file in (docs / entry).glob("*.md"))
            found += [name for name in names if name not in listed]
        elif isinstance(entry, dict):
            found.append(
                {
                    title: _expanded(value, docs, listed) if isinstance(value, list) else value
                    for title, value in entry.items()
                }
            )
        else:
            found.append(entry)
    return found


def pages(entries: Any) -> Iterator[str]:
    """Yield the pages of a navigation, in order."""
    if isinstance(entries, str):
        yield entries
    elif isinstance(entries, dict):
        yield from pages(list(entries.values()))
    else:
        for entry in entries:
            yield from pages(entry)
