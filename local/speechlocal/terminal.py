"""Progress of long work: with colour on a terminal, otherwise as plain lines."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from rich.progress import Progress, SpinnerColumn, TextColumn

from speechcli.terminal import INDENT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console

    from speechlocal.children import Program
    from speechlocal.progress import Report

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


def reporter(console: Console, command: str) -> Report:
    """Return a function that prints the progress of a command: "cluster: starting the container engine"."""
    return lambda text: console.print(f"{command}: {text}", soft_wrap=True)
