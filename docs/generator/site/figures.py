"""Diagrams of a page: on GitHub an image, in the site a part of the page, which its light and dark colours apply to."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

DIAGRAMS = "images/diagrams"
_IMAGE = re.compile(r'<p><img alt="(?P<alt>[^"]*)" src="(?P<source>[^"]+\.svg)" ?/?></p>')


def inlined(html: str, docs: Path, page: str) -> str:
    """Return the HTML of a page with its diagrams in it.

    Args:
        html: The content of the page.
        docs: The folder `docs/`.
        page: Path of the page in the site.
    """

    def figure(found: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(posixpath.dirname(page), found["source"]))
        if posixpath.dirname(path) != DIAGRAMS:
            return found[0]
        svg = (docs / path).read_text(encoding="utf-8")
        # Focusable, so that the keyboard can scroll it on a narrow screen.
        return f'<div class="figure" tabindex="0" role="group" aria-label="Diagram">{svg}</div>'

    return _IMAGE.sub(figure, html)
