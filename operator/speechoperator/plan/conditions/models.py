"""Whether the models are there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechoperator.plan.conditions.verdicts import Verdict
from speechoperator.plan.text import clipped

if TYPE_CHECKING:
    from speechoperator.plan.models.lifecycle import Models


def verdict(models: Models, *, managed: bool, suspended: bool) -> Verdict:
    """Return whether all models are in every Ollama pod.

    Args:
        models: How they stand.
        managed: Whether the operator runs Ollama, and pulls them.
        suspended: Whether the pipeline is stopped.
    """
    states = models.states
    there = sum(1 for state in states if state.stage == "Ready")
    count = f"{there} of {len(states)} there"
    if there == len(states):
        return Verdict(holds=True, reason="ModelsPresent", message=clipped(", ".join(state.name for state in states)))
    if suspended:
        return Verdict(holds=False, reason="Suspended", message="suspend is true")
    if failed := next((state for state in states if state.stage == "Failed"), None):
        reason = "PullFailed" if managed else "ModelsMissing"
        return Verdict(holds=False, reason=reason, message=f"{failed.name}: {failed.message}")
    if models.silent:
        return Verdict(holds=False, reason="OllamaUnreachable", message=models.silent)
    if pulled := [state.name for state in states if state.stage == "Pulling"]:
        return Verdict(holds=False, reason="ModelsPulling", message=f"pulling {', '.join(pulled)}; {count}")
    return Verdict(holds=False, reason="WaitingForOllama", message=f"{count}; no Ollama has said more yet")
