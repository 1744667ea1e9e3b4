"""The output of a load test: how many requests are done, and the report as a table."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich import box
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from speechcli.terminal import SafeConsole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console

    from speechcli.load_report import Outcome, Report, Spread

PLAIN_PROGRESS_STEPS = 5


@contextmanager
def counting(requests: int | None, what: str = "requests") -> Iterator[Callable[[Outcome], None]]:
    """Show on stderr how many requests are done: a bar named `what` on a terminal, otherwise some plain lines.

    `requests` is None for a test that is limited by time: without a terminal it prints nothing meanwhile.
    """
    console = SafeConsole(stderr=True)
    end = TimeElapsedColumn() if requests is None else TimeRemainingColumn()
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), end)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(what, total=requests)
        steps = range(1, PLAIN_PROGRESS_STEPS + 1)
        shown = {round(requests * step / PLAIN_PROGRESS_STEPS) for step in steps} if requests else set[int]()
        finished = 0

        def done(_: Outcome) -> None:
            nonlocal finished
            finished += 1
            progress.advance(task)
            if not console.is_terminal and finished in shown:
                console.print(f"{finished} of {requests} requests done")

        yield done


def show(console: Console, found: Report, title: str) -> None:
    """Print the report as a table, with the failures below it."""
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    table.add_column("milliseconds")
    for name in ("mean", "p50", "p95", "p99", "max"):
        table.add_column(name, justify="right")
    rows = {
        "whole response": found.latency_ms,
        "first text of the transcript": found.first_text_ms,
        "first token of the response": found.first_token_ms,
        "measured by the service": found.server_ms,
    }
    for name, values in rows.items():
        table.add_row(name, *cells(values))
    console.print(table)
    rates = f"{found.requests_per_second:.2f} requests/s, {found.audio_seconds_per_second:.1f} s of audio per second"
    console.print(
        f"  {found.succeeded} of {found.requests} requests succeeded in {found.wall_s:.1f} s, "
        f"{found.concurrency} at a time: {rates}",
        soft_wrap=True,
    )
    for code, count in found.errors.items():
        line = f"  failed: {count} times {code}: {found.explanations[code]}"
        console.print(line, style="red", soft_wrap=True, markup=False)


def cells(values: Spread | None) -> list[str]:
    """Return a row's numbers as text."""
    if values is None:
        return ["-"] * 5
    return [f"{value:,.0f}" for value in (values.mean, values.p50, values.p95, values.p99, values.max)]
