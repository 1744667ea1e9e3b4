"""The condition ModelsReady: whether all language models are present."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechoperator.plan.conditions.reasons import Reason
from speechoperator.plan.conditions.verdicts import Verdict
from speechoperator.plan.text import one_line

if TYPE_CHECKING:
    from speechoperator.plan.models.lifecycle import ModelPlan


def verdict(models: ModelPlan, *, managed: bool, suspended: bool) -> Verdict:
    """Return whether every Ollama pod has all models.

    Args:
        models: Their states.
        managed: Whether the operator runs Ollama and pulls the models.
        suspended: Whether the pipeline is suspended.
    """
    states = models.states
    ready = sum(1 for state in states if state.stage == "Ready")
    count = f"{ready} of {len(states)} ready"
    if ready == len(states):
        names = one_line(", ".join(state.name for state in states))
        reason = Reason.CREDENTIALS_REQUIRED if models.unchecked else Reason.MODELS_PRESENT
        return Verdict(status=True, reason=reason, message=models.unchecked or names)
    if suspended or models.asleep:
        return _stopped(models, count, suspended=suspended)
    if failed := next((state for state in states if state.stage == "Failed"), None):
        reason = Reason.PULL_FAILED if managed else Reason.MODELS_MISSING
        return Verdict(status=False, reason=reason, message=f"{failed.name}: {failed.message}")
    if models.unreachable:
        return Verdict(status=False, reason=Reason.OLLAMA_UNREACHABLE, message=models.unreachable)
    if pulling := [state.name for state in states if state.stage == "Pulling"]:
        return Verdict(status=False, reason=Reason.MODELS_PULLING, message=f"pulling {', '.join(pulling)}; {count}")
    message = f"{count}; waiting for an Ollama pod to report its models"
    return Verdict(status=False, reason=Reason.WAITING_FOR_OLLAMA, message=message)


def _stopped(models: ModelPlan, count: str, *, suspended: bool) -> Verdict:
    if suspended:
        return Verdict(status=False, reason=Reason.SUSPENDED, message="spec.suspend is true")
    missing = one_line(", ".join(state.name for state in models.states if state.stage != "Ready"))
    message = f"{count}; Ollama is scaled to zero, and pulls {missing} when it starts"
    return Verdict(status=False, reason=Reason.SCALED_TO_ZERO, message=message)
