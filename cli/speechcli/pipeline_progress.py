"""The progress of a starting pipeline: its live status on a terminal, otherwise a line for each change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.live import Live

from speechcli.status_view import view
from speechcli.terminal import INDENT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import TracebackType
    from typing import Self

    from rich.console import Console

    from speechcli.pipeline import Condition, State

STEPS = 5  # lines for a pull without a terminal


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
            self._live.update(view([state], bars=True))
        for line in lines(state) if not self._live else ():
            if line not in self._shown:
                self._shown.add(line)
                self._console.print(INDENT + line, soft_wrap=True, markup=False)


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
    """Return the unmet conditions without those that other lines imply: models being pulled."""
    shown = {"ModelsReady"} if any(model.stage == "Pulling" for model in state.models) else set()
    return [one for one in state.unmet if one.type not in shown and one.message]
