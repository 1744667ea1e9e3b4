"""Text for the user, as it arrives: with colour on a terminal, otherwise plain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.segment import Segment
from rich.text import Text

from speechcli.control_characters import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import ConsoleOptions, RenderableType

INDENT = "  "
MAX_WIDTH = 96


class SafeConsole(Console):
    """A console that shows text as it is: without markup, and with a visible character for each control character."""

    def __init__(self, *, stderr: bool = False, quiet: bool = False) -> None:
        super().__init__(stderr=stderr, quiet=quiet, highlight=False, markup=False, emoji=False)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render as rich does; its own control sequences are segments of their own."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(printable(segment.text), segment.style)


class TextStream:
    """Text that arrives in pieces, wrapped at words meanwhile; a word is shown when the next one begins."""

    def __init__(self, console: Console, style: str = "") -> None:
        self._console = console
        self._style = style
        self._width = min(console.width, MAX_WIDTH) - len(INDENT)
        self._column = 0
        self._word = ""

    def add(self, piece: str) -> None:
        """Add the next piece, with its spaces and line breaks."""
        for character in piece:
            if character.isspace():
                self._print_word()
                if character == "\n" and self._column:
                    self._new_line()
            else:
                self._word += character

    def end(self) -> None:
        """Print the last word and end the line."""
        self._print_word()
        if self._column:
            self._new_line()

    def _print_word(self) -> None:
        if not self._word:
            return
        if self._column and self._column + 1 + len(self._word) > self._width:
            self._new_line()
        before = " " if self._column else INDENT
        self._console.print(Text(before + self._word, self._style), end="", soft_wrap=True)
        self._column += len(self._word) + (1 if self._column else 0)
        self._word = ""

    def _new_line(self) -> None:
        self._console.print()
        self._column = 0


def heading(console: Console, title: str, remark: str = "") -> None:
    """Print a heading with a blank line above."""
    console.print()
    console.print(Text.assemble((title, "bold"), (f"  {remark}" if remark else "", "dim")), soft_wrap=True)
