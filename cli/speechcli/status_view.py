"""A pipeline's state on the screen: components, models, bottleneck, scaling decisions and wrong conditions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from speechcli.terminal import INDENT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rich.console import RenderableType

    from speechcli.pipeline import Component, Condition, Decision, ModelProgress, State

SHOWN_DECISIONS = 5
BAR_WIDTH = 24
MEGABYTE = 1_000_000
EXTERNAL = "external"
GOOD, BUSY, BAD, QUIET = "green", "yellow", "red", "dim"
STAGES = {"Ready": GOOD, "Failed": BAD, "Pulling": BUSY, "Warming": BUSY, "Pending": QUIET}
UNDER_WAY = frozenset({"Progressing", "Reconciling"})


def view(states: Sequence[State], *, bars: bool) -> Group:
    """Return the states one below the other; with `bars`, downloads have a progress bar."""
    blocks = [block for state in states for block in (_pipeline(state, bars=bars), Text())]
    return Group(*blocks[:-1])


def _pipeline(state: State, *, bars: bool) -> Group:
    parts: list[RenderableType] = [_title(state), _components(state)]
    if state.models:
        parts.append(_models(state.models, bars=bars))
    if state.bottleneck:
        parts.append(Text(f"{INDENT}bottleneck: {state.bottleneck}", BUSY))
    parts += _conditions(state.unmet)
    if state.decisions:
        parts += [Text(f"{INDENT}latest scaling decisions", "bold"), _decisions(state.decisions[-SHOWN_DECISIONS:])]
    return Group(*parts)


def _title(state: State) -> Text:
    word, style = headline(state)
    return Text.assemble((f"{state.namespace}/{state.name}", "bold"), "  ", (word, style), (f"  {state.url}", QUIET))


def headline(state: State) -> tuple[str, str]:
    """Return the word that sums up a pipeline, and its style."""
    if not state.conditions:
        return "not seen by the operator yet", BAD
    if not state.current:
        return "being updated", BUSY
    reason = next((one.reason for one in state.conditions if one.type == "Ready"), "")
    if state.ready:
        return "ready" if reason in {"", "Ready"} else f"ready ({reason})", GOOD
    moving = any(one.type in UNDER_WAY and one.status == "True" for one in state.conditions)
    return f"not ready ({reason})", BUSY if moving else BAD


def _components(state: State) -> Table:
    grid = Table.grid(padding=(0, 2))
    for component in state.components:
        style = GOOD if is_complete(component) else BUSY
        grid.add_row(
            Text(f"{INDENT}{component.name}"),
            Text(_replicas(component), style),
            Text(_backlog(component), QUIET),
            Text(component.reason, QUIET),
        )
    return grid


def is_complete(component: Component) -> bool:
    """Return whether a component has the replicas that it should have."""
    return component.summary == EXTERNAL or (component.ready or 0) >= (component.desired or 0)


def _replicas(component: Component) -> str:
    if component.summary == EXTERNAL:
        return EXTERNAL
    return f"{component.ready or 0} of {component.desired or 0} ready"


def _backlog(component: Component) -> str:
    return f"backlog {component.backlog_s} s of audio" if component.backlog_s else ""


def _models(models: Iterable[ModelProgress], *, bars: bool) -> Table:
    grid = Table.grid(padding=(0, 2))
    for model in models:
        style = STAGES.get(model.stage, QUIET)
        row: list[RenderableType] = [Text(f"{INDENT}{model.name}"), Text(model.stage.lower(), style)]
        if bars:
            pulling = model.stage == "Pulling" and model.total
            row.append(ProgressBar(model.total, model.completed, width=BAR_WIDTH) if pulling else Text())
        grid.add_row(*row, Text(download(model) or model.message, QUIET))
    return grid


def download(model: ModelProgress) -> str:
    """Return how far a download is: "43 %, 1288 of 4661 MB, 16.1 MB/s, 3 min 30 s left"; empty if there is none."""
    if model.stage != "Pulling" or not model.total:
        return ""
    parts = [
        f"{model.completed * 100 // model.total} %",
        f"{model.completed // MEGABYTE} of {model.total // MEGABYTE} MB",
    ]
    if model.bytes_per_second:
        parts.append(f"{model.bytes_per_second / MEGABYTE:.1f} MB/s")
    if model.eta_s is not None:
        parts.append(f"{duration(model.eta_s)} left")
    return ", ".join(parts)


def duration(seconds: float) -> str:
    """Return a duration for people: "40 s", "3 min 30 s", "2 h 5 min"."""
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def _conditions(unmet: Iterable[Condition]) -> Iterator[Text]:
    for one in unmet:
        message = one.message or one.reason
        yield Text.assemble(INDENT, (f"{one.type} is {one.status} ({one.reason}): ", _urgency(one)), message)


def _urgency(one: Condition) -> str:
    if one.intended:
        return QUIET
    return BUSY if one.temporary else BAD


def _decisions(decisions: Iterable[Decision]) -> Table:
    grid = Table.grid(padding=(0, 2))
    for one in reversed(list(decisions)):
        change = f"{one.before} -> {one.after}" + ("" if one.ok else " (not written)")
        grid.add_row(Text(f"{INDENT}{one.time}", QUIET), Text(one.component), Text(change), Text(one.reason, QUIET))
    return grid
