"""The progress of a starting pipeline: a live table on a terminal, otherwise a line for each change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from speechcli.terminal import INDENT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import TracebackType
    from typing import Self

    from rich.console import Console

    from speechcli.pipeline import Component, Condition, ModelProgress, State

MEGABYTE = 1_000_000
STEPS = 5  # lines for a pull without a terminal
BAR_WIDTH = 30
MARKS = {True: ("✓ ", "green"), False: ("· ", "dim")}


class PipelineProgress:
    """Shows the states of one pipeline, until the block is left."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, refresh_per_second=4) if console.is_terminal else None
        self._shown = set[str]()

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
        """Show the current state."""
        if self._live:
            self._live.update(table(state))
        for line in lines(state) if not self._live else ():
            if line not in self._shown:
                self._shown.add(line)
                self._console.print(INDENT + line, soft_wrap=True, markup=False)


def table(state: State) -> Group:
    """Return a state as a table: a row for each component and model, and below it the unmet conditions."""
    grid = Table.grid(padding=(0, 2))
    for component in state.components:
        mark = _marked(component.name, done=_is_complete(component))
        grid.add_row(mark, component.summary, Text(component.reason, "dim"))
    for model in state.models:
        grid.add_row(_marked(model.name, done=model.stage == "Ready"), model.stage, _pulled(model))
    return Group(grid, *(Text(f"{INDENT}{sentence(one)}", "yellow") for one in _to_show(state)))


def lines(state: State) -> Iterator[str]:
    """Yield a state as lines; a line differs from the previous state's only if it should be printed again."""
    for component in state.components:
        if component.summary:
            yield f"{component.name:9}{component.summary} ready"
    for model in state.models:
        done = f" {model.completed * STEPS // model.total * 100 // STEPS} %" if model.total else ""
        yield f"{model.name}: {model.stage.lower()}{done if model.stage == 'Pulling' else ''}"
    yield from (sentence(one) for one in _to_show(state))


def sentence(condition: Condition) -> str:
    """Return a condition as a readable line."""
    return f"{condition.type}: {condition.message or condition.reason}"


def _to_show(state: State) -> Iterable[Condition]:
    """Return the unmet conditions without what the table shows already: starting pods and models being pulled."""
    shown = {"ModelsReady"} if any(model.stage == "Pulling" for model in state.models) else set()
    return [one for one in state.unmet if one.type not in shown and one.message]


def _is_complete(component: Component) -> bool:
    ready, _, desired = component.summary.partition("/")
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
