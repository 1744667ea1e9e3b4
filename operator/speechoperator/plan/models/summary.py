"""Lines for `kubectl get`: how many language models are ready, and the progress of pulls and of Whisper's weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from speechoperator.plan.text import duration, size

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from speechoperator.plan.models.states import ModelState

_PERCENT = 100


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
    yield from _estimates(state.rate, None if state.verifying else state.eta)


def weights_progress(model: Mapping[str, Any]) -> str:
    """Return what `kubectl get` adds to the replicas of Whisper: "43% 16MB/s 3m30s", "Failed"; empty once it is there.

    Args:
        model: The weights as they are in the status, where they do not change with every measurement.
    """
    if model["stage"] not in {"Pulling", "Failed"}:
        return ""
    total = model.get("totalBytes")
    if model["stage"] == "Failed" or not total:
        return str(model["stage"])
    percent = round(_PERCENT * model["completedBytes"] / total)  # the bytes are those of a whole percent, rounded down
    return " ".join([f"{percent}%", *_estimates(model.get("bytesPerSecond"), model.get("etaSeconds"))])


def _estimates(rate: int | None, eta: int | None) -> Iterable[str]:
    if rate:
        yield f"{size(rate).replace(' ', '')}/s"
    if eta is not None:
        yield duration(eta)
