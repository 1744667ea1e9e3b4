"""The output of many jobs: a line for each, on a terminal also a bar and the files in work; a summary at the end."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from speechcli.conversation import shown
from speechcli.terminal import INDENT
from speechcli.transcription.run import Done, Result

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType
    from typing import Self

    from rich.console import Console
    from rich.progress import TaskID

    from speechcli.transcription.jobs import Job

MARKS = {Result.WRITTEN: ("✓", "green"), Result.SKIPPED: ("·", "dim"), Result.FAILED: ("✗", "red")}


class FilesProgress:
    """Shows the progress of jobs, until the block is left; `ended` are those that have ended."""

    def __init__(self, console: Console, total: int) -> None:
        self._console = console
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[count]}"),
            TimeElapsedColumn(),
        )
        self._bars = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._total = total
        self.ended: list[Done] = []
        self._all = self._bars.add_task("all files", total=total, count=f"0/{total}")
        self._running: dict[Job, TaskID] = {}

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def started(self, job: Job) -> None:
        """Show that a recording is being transcribed."""
        self._running[job] = self._bars.add_task(job.source.name, total=None, count="")

    def done(self, done: Done) -> None:
        """Show what became of a job, and the notes about its transcript."""
        if task := self._running.pop(done.job, None):
            self._bars.remove_task(task)
        self.ended.append(done)
        count = len(self.ended)
        self._bars.update(self._all, completed=count, count=f"{count}/{self._total}")
        mark, style = MARKS[done.result]
        self._console.print(Text.assemble((mark, style), f" {line(done)}"), soft_wrap=True)
        for note in done.notes:
            self._console.print(Text(f"{INDENT}note: {note}", "yellow"), soft_wrap=True)


def line(done: Done) -> str:
    """Return what became of a job, as a line."""
    source, target = shown(done.job.source), shown(done.job.target)
    match done.result:
        case Result.WRITTEN:
            return f"{source} -> {target} in {done.seconds:.1f} s"
        case Result.SKIPPED:
            return f"{source}: {target} exists"
        case Result.FAILED:
            return f"{source}: {done.why}"


def summary(ended: Sequence[Done]) -> str:
    """Return how many jobs ended how: "7 written, 2 skipped, 1 failed"."""
    counts = Counter(done.result for done in ended)
    return ", ".join(f"{counts[result]} {result.value}" for result in Result if counts[result]) or "nothing to do"
