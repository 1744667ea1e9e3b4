"""How a pipeline that is coming up looks: a live table on a terminal, a line for each thing that happened elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from speechlocal.terminal import INDENT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import TracebackType
    from typing import Self

    from rich.console import Console

    from speechlocal.cluster.pipelines import Condition, ModelProgress, Part, State

MEGABYTE = 1_000_000
STEPS = 5  # lines that a pull gets where there is no terminal to draw a bar on
BAR_WIDTH = 30
MARKS = {True: ("✓ ", "green"), False: ("· ", "dim")}


class Rising:
    """Shows the states of one pipeline until it is left."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, refresh_per_second=4) if console.is_terminal else None
        self._said = set[str]()

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def show(self, state: State) -> None:
        """Show how far it is now."""
        if self._live:
            self._live.update(picture(state))
        for line in lines(state) if not self._live else ():
            if line not in self._said:
                self._said.add(line)
                self._console.print(INDENT + line, soft_wrap=True, markup=False)


def picture(state: State) -> Group:
    """Return a state as a table: a row for each part and model, below it what is missing."""
    table = Table.grid(padding=(0, 2))
    for part in state.parts:
        table.add_row(_marked(part.name, done=_is_whole(part)), part.summary, Text(part.reason, "dim"))
    for model in state.models:
        table.add_row(_marked(model.name, done=model.stage == "Ready"), model.stage, _pulled(model))
    return Group(table, *(Text(f"{INDENT}{sentence(one)}", "yellow") for one in _worth_saying(state)))


def lines(state: State) -> Iterator[str]:
    """Return what a state says in lines that stay the same while nothing worth a new line has changed."""
    for part in state.parts:
        if part.summary:
            yield f"{part.name:9}{part.summary} ready"
    for model in state.models:
        done = f" {model.completed * STEPS // model.total * 100 // STEPS} %" if model.total else ""
        yield f"{model.name}: {model.stage.lower()}{done if model.stage == 'Pulling' else ''}"
    yield from (sentence(one) for one in _worth_saying(state))


def sentence(condition: Condition) -> str:
    """Return a condition as one reads it."""
    return f"{condition.type}: {condition.message or condition.reason}"


def _worth_saying(state: State) -> Iterable[Condition]:
    """Leave out what the table shows already: that pods start and models are being pulled."""
    shown = {"ModelsReady"} if any(model.stage == "Pulling" for model in state.models) else set()
    return [one for one in state.troubles if one.type not in shown and one.message]


def _is_whole(part: Part) -> bool:
    ready, _, desired = part.summary.partition("/")
    return bool(desired) and ready == desired


def _marked(name: str, *, done: bool) -> Text:
    mark, style = MARKS[done]
    return Text.assemble(INDENT, (mark, style), name)


def _pulled(model: ModelProgress) -> ProgressBar | Text | Table:
    if model.stage != "Pulling" or not model.total:
        return Text(model.message, "dim")
    left = f", {model.eta_s:.0f} s left" if model.eta_s is not None else ""
    amount = f"{model.completed / MEGABYTE:.0f} of {model.total / MEGABYTE:.0f} MB{left}"
    row = Table.grid(padding=(0, 1))
    row.add_row(ProgressBar(model.total, model.completed, width=BAR_WIDTH), Text(amount, "dim"))
    return row
