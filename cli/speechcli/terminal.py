"""Text for the user, as it arrives: with colour on a terminal, otherwise plain."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.console import Console
from rich.segment import Segment
from rich.text import Text

from speechcli.control_characters import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import ConsoleOptions, RenderableType

INDENT = "  "
MAX_WIDTH = 96
# Thai, Lao, Tibetan, Burmese and Khmer; the other scripts without spaces are known by the width of their characters.
_UNSPACED = re.compile("[\u0e00-\u109f\u1780-\u17ff]")


class SafeConsole(Console):
    """A console that shows text as it is: without markup, and with a visible character for each control character."""

    def __init__(self, *, stderr: bool = False, quiet: bool = False) -> None:
        super().__init__(stderr=stderr, quiet=quiet, highlight=False, markup=False, emoji=False)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render as rich does; its own control sequences are segments of their own."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(printable(segment.text), segment.style)


class TextStream:
    """Text that arrives in pieces, wrapped at words meanwhile; a word is shown when the next one begins.

    Words longer than a line are broken at its end. Scripts that are written without spaces have no words to wait for:
    each character is shown at once.
    """

    def __init__(self, console: Console, style: str = "") -> None:
        self._console = console
        self._style = style
        self._width = min(console.width, MAX_WIDTH)
        self._column = 0
        self._spaced = False  # whether white space precedes what comes next
        self._word, self._word_cells = "", 0
        self._wrapped: list[str] = []  # not yet printed

    def add(self, piece: str) -> None:
        """Add the next piece, with its spaces and line breaks."""
        for character in piece:
            if character.isspace():
                self._end_word()
                self._spaced = True
                if character == "\n" and self._column:
                    self._new_line()
            else:
                self._add_character(character)
        self._print()

    def end(self) -> None:
        """Print the last word and end the line."""
        self._end_word()
        if self._column:
            self._new_line()
        self._print()

    def _add_character(self, character: str) -> None:
        cells = cell_len(printable(character))
        combining = cells == 0
        unspaced = cells > 1 or _UNSPACED.match(character) or (combining and not self._word)
        if unspaced or len(INDENT) + self._word_cells + cells > self._width:
            self._end_word()
        if unspaced:
            self._place(character, cells)
        else:
            self._word += character
            self._word_cells += cells

    def _end_word(self) -> None:
        if self._word:
            self._place(self._word, self._word_cells)
        self._word, self._word_cells = "", 0

    def _place(self, text: str, cells: int) -> None:
        """Put text that is not broken after what is on the line, or on the next line."""
        before = " " if self._spaced else ""
        if self._column and self._column + len(before) + cells > self._width:
            self._new_line()
        if not self._column:
            before = INDENT
        self._wrapped.append(before + text)
        self._column += len(before) + cells
        self._spaced = False

    def _new_line(self) -> None:
        self._wrapped.append("\n")
        self._column = 0

    def _print(self) -> None:
        if self._wrapped:
            self._console.print(Text("".join(self._wrapped), self._style), end="", soft_wrap=True)
        self._wrapped.clear()


def heading(console: Console, title: str, remark: str = "") -> None:
    """Print a heading with a blank line above."""
    console.print()
    console.print(Text.assemble((title, "bold"), (f"  {remark}" if remark else "", "dim")), soft_wrap=True)
