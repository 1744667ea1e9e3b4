"""The condition ModelsLoaded: whether the language models are in memory, and on the GPUs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechoperator.plan.conditions.reasons import Reason
from speechoperator.plan.conditions.verdicts import Verdict
from speechoperator.plan.models.names import canonical
from speechoperator.plan.text import counted, one_line, size

if TYPE_CHECKING:
    from speechoperator.plan.models.lifecycle import ModelPlan


def verdict(models: ModelPlan, *, gpus: bool) -> Verdict | None:
    """Return whether the pods have loaded all models; None while no pod has them.

    Args:
        models: The plan for the models.
        gpus: Whether the pods have GPUs.
    """
    warmth = models.warmth
    if failed := warmth.failed:
        message = f"{failed.model}: {one_line(failed.error)} (pod {failed.pod})"
        return Verdict(status=False, reason=Reason.LOAD_FAILED, message=message)
    if warmth.cold:
        message = f"loading models into the memory of {', '.join(f'pod {pod}' for pod in warmth.cold)}"
        return Verdict(status=False, reason=Reason.WARMING, message=message)
    if not warmth.warm:
        return None
    if gpus and (slow := _partly_on_cpu(models)):
        return Verdict(status=False, reason=Reason.PARTLY_ON_CPU, message=slow)
    if swapped := [state.name for state in models.states if canonical(state.name) in warmth.evicted]:
        names = ", ".join(swapped)
        verb = "was" if len(swapped) == 1 else "were"
        message = f"{names} {verb} unloaded to load another model: each request to another model than the last swaps"
        return Verdict(status=False, reason=Reason.MODELS_SWAP, message=message)
    return Verdict(status=True, reason=Reason.MODELS_LOADED, message=f"loaded in {counted(len(warmth.warm), 'pod')}")


def _partly_on_cpu(models: ModelPlan) -> str:
    """Return which models are not on GPUs entirely, with sizes; empty if all are."""
    found = [(state.name, models.warmth.memory.get(canonical(state.name))) for state in models.states]
    return "; ".join(
        f"{name}: {size(memory.gpu)} of {size(memory.total)} on the GPU, the rest on the CPU"
        for name, memory in found
        if memory and memory.gpu < memory.total
    )
