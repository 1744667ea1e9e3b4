"""Output for the user: progress, and text as it arrives. With colour on a terminal, otherwise as plain lines."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from rich.progress import Progress, SpinnerColumn, TextColumn
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console

    from speechlocal.children import Program
    from speechlocal.progress import Report

INDENT = "  "
MAX_WIDTH = 96
PLAIN_PROGRESS_EVERY_S = 30.0
"""How often long work prints a line where there is no terminal."""


class Startup:
    """Progress of programs starting side by side: a spinner for each on a terminal, a line when it is ready."""

    def __init__(self, console: Console, progress: Progress, programs: Sequence[Program]) -> None:
        self._console = console
        self._progress = progress
        self._tasks = {program: progress.add_task(described(program), total=1, note="starting") for program in programs}

    def ready(self, program: Program, seconds: float) -> None:
        """Show that `program` is ready, `seconds` after the start."""
        note = f"ready after {seconds:.1f} s"
        self._progress.update(self._tasks[program], completed=1, note=note)
        if not self._console.is_terminal:
            self._console.print(f"{INDENT}{described(program)} {note}", soft_wrap=True)

    def end(self) -> None:
        """Stop updating; what comes next is printed below."""
        self._progress.stop()


@contextlib.contextmanager
def startup(console: Console, programs: Sequence[Program]) -> Iterator[Startup]:
    """Show programs starting, until `end` is called or the block is left."""
    with spinners(console) as progress:
        yield Startup(console, progress, programs)


def spinners(console: Console) -> Progress:
    """Return a display with a spinner, a description and a `note` for each task; empty without a terminal."""
    columns = (
        SpinnerColumn(finished_text="[green]✓"),
        TextColumn("{task.description}"),
        TextColumn("[dim]{task.fields[note]}"),
    )
    return Progress(*columns, console=console, disable=not console.is_terminal)


def described(program: Program) -> str:
    """Return a program's name and detail, in columns."""
    return f"{program.name:9}{program.detail:24}"


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


def reporter(console: Console, command: str) -> Report:
    """Return a function that prints the progress of a command: "cluster: starting the container engine"."""
    return lambda text: console.print(f"{command}: {text}", soft_wrap=True)


def heading(console: Console, title: str, remark: str = "") -> None:
    """Print a heading with a blank line above."""
    console.print()
    console.print(Text.assemble((title, "bold"), (f"  {remark}" if remark else "", "dim")), soft_wrap=True)
