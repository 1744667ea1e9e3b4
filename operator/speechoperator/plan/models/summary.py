"""A line about the models for `kubectl get`: how many are ready, and the progress of the pull."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechoperator.plan.text import duration, size

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from speechoperator.plan.models.states import ModelState


def summary(states: Collection[ModelState]) -> str:
    """Return a line for `kubectl get`: "0/2 llama3 43% 16MB/s 3m30s", "1/2 qwen3:4b Failed", "2/2"."""
    ready = sum(1 for state in states if state.stage == "Ready")
    stages = ("Pulling", "Failed", "Warming")
    first = next((state for stage in stages for state in states if state.stage == stage), None)
    return " ".join([f"{ready}/{len(states)}", *(_about(first) if first else ())])


def _about(state: ModelState) -> Iterable[str]:
    yield state.name
    if state.stage != "Pulling" or not state.total:
        yield state.stage
        return
    yield f"{state.percent}%"
    if state.verifying:
        yield "verifying"
    if state.rate:
        yield f"{size(state.rate).replace(' ', '')}/s"
    if state.eta is not None and not state.verifying:
        yield duration(state.eta)
