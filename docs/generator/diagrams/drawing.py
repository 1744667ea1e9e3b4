"""Shapes of a diagram as SVG: boxes, arrows, groups and labels, in pixels from the upper left corner.

Colours are custom properties: on GitHub those below apply, by the reader's colour scheme; in the site, those of
docs/stylesheets/extra.css, by the theme's.
"""

from __future__ import annotations

from html import escape
from itertools import pairwise
from typing import Literal

Point = tuple[float, float]
Kind = Literal["service", "own", "store", "plain"]

_LINE = 18
_STYLE = """
.diagram{--d-page:#fff;--d-ink:#1f2328;--d-soft:#59636e;--d-line:#7d8590;--d-own:#ddf4ff;--d-own-line:#0969da;\
--d-service:#f6f8fa;--d-store:#fff8c5;--d-store-line:#9a6700;--d-group:#d1d9e0}
@media (prefers-color-scheme:dark){.diagram{--d-page:#0d1117;--d-ink:#f0f6fc;--d-soft:#9198a1;--d-line:#7d8590;\
--d-own:#0c2d4d;--d-own-line:#4493f8;--d-service:#151b23;--d-store:#2e2a1f;--d-store-line:#d29922;--d-group:#3d444d}}
.diagram text{font:14px system-ui,-apple-system,"Segoe UI",sans-serif;fill:var(--d-ink)}
.diagram .strong{font-weight:600}.diagram .soft{font-size:12.5px;fill:var(--d-soft)}
.diagram .page{fill:var(--d-page)}
.diagram .box{stroke-width:1.5}.diagram .own{fill:var(--d-own);stroke:var(--d-own-line)}
.diagram .service{fill:var(--d-service);stroke:var(--d-line)}
.diagram .store{fill:var(--d-store);stroke:var(--d-store-line)}
.diagram .plain{fill:var(--d-page);stroke:var(--d-line)}
.diagram .group{fill:none;stroke:var(--d-group);stroke-width:1.5;stroke-dasharray:6 5}
.diagram .arrow{fill:none;stroke:var(--d-line);stroke-width:1.6}.diagram .dashed{stroke-dasharray:5 4}
.diagram .head{fill:var(--d-line)}.diagram .halo{paint-order:stroke;stroke:var(--d-page);stroke-width:5px}
"""


class Drawing:
    """A diagram under construction; later shapes cover earlier ones."""

    def __init__(self, width: int, height: int, title: str) -> None:
        self._size = (width, height)
        self._title = title
        self._shapes: list[str] = []

    def box(self, at: Point, size: Point, title: str, *lines: str, kind: Kind = "service") -> None:
        """Draw a box with a title and further lines, centred."""
        (x, y), (width, height) = at, size
        self._shapes.append(
            f'<rect class="box {kind}" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="8"/>'
        )
        first = y + height / 2 + 5 - len(lines) * _LINE / 2
        for number, line in enumerate((title, *lines)):
            self.text((x + width / 2, first + number * _LINE), line, style="soft" if number else "strong")

    def group(self, at: Point, size: Point, title: str) -> None:
        """Draw a dashed frame around shapes, with a title in its upper left corner."""
        (x, y), (width, height) = at, size
        self._shapes.append(f'<rect class="group" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="12"/>')
        self.text((x + 14, y + 22), title, style="soft", anchor="start")

    def arrow(
        self, *points: Point, label: str = "", at: Point | None = None, dashed: bool = False, anchor: str = "middle"
    ) -> None:
        """Draw an arrow through points, with a label above the middle of its longest piece or where `at` says."""
        path = "M" + " L".join(f"{x:g} {y:g}" for x, y in points)
        self._shapes.append(f'<path class="arrow{" dashed" * dashed}" marker-end="url(#head)" d="{path}"/>')
        if label:
            (x1, y1), (x2, y2) = max(pairwise(points), key=_length)
            self.text(at or ((x1 + x2) / 2, (y1 + y2) / 2 - 8), label, style="soft", anchor=anchor)

    def line(self, start: Point, end: Point) -> None:
        """Draw a dashed line, such as the lifeline of a participant."""
        (x1, y1), (x2, y2) = start, end
        self._shapes.append(f'<path class="group" d="M{x1:g} {y1:g} L{x2:g} {y2:g}"/>')

    def text(self, at: Point, text: str, *, style: str = "", anchor: str = "middle") -> None:
        """Write a line of text, with its baseline at `at`."""
        x, y = at
        self._shapes.append(
            f'<text class="halo {style}" x="{x:g}" y="{y:g}" text-anchor="{anchor}">{escape(text)}</text>'
        )

    def svg(self) -> str:
        """Return the diagram as an SVG document."""
        width, height = self._size
        shapes = "\n".join(self._shapes)
        title = escape(self._title)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="diagram" viewBox="0 0 {width} {height}" '
            f'width="{width}" height="{height}" role="img" aria-label="{title}">\n'
            f"<style>{_STYLE}</style>\n"
            '<defs><marker id="head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" '
            'orient="auto-start-reverse"><path class="head" d="M0 0 L10 5 L0 10 z"/></marker></defs>\n'
            f'<rect class="page" width="{width}" height="{height}" rx="12"/>\n{shapes}\n</svg>\n'
        )


def _length(piece: tuple[Point, Point]) -> float:
    (x1, y1), (x2, y2) = piece
    return abs(x1 - x2) + abs(y1 - y2)
