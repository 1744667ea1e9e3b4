"""The condition ModelsReady: whether all language models are present, and whether Ready depends on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechoperator.plan.conditions.reasons import Reason
from speechoperator.plan.conditions.verdicts import Verdict
from speechoperator.plan.text import one_line

if TYPE_CHECKING:
    from collections.abc import Collection

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


def obstacle(
    ready: Verdict, models: ModelPlan, offered: Collection[str], required: int, *, was_ready: bool
) -> Verdict | None:
    """Return why the models keep the pipeline from being ready; None if they do not.

    Pods with volumes of their own pull the models again. The scaler adds such pods to a pipeline that serves, and it
    serves on meanwhile, as long as there are as many pods with the models as it needs.

    Args:
        ready: Whether every Ollama pod has all models.
        models: Their states.
        offered: Names of the models that the bridge offers.
        required: Ollama pods that must be ready for Ollama to be available.
        was_ready: Whether the pipeline was ready with the current spec.
    """
    if ready.status:
        return None
    needed = max(required, 1)
    serve = all(state.name in offered and state.replicas_ready >= needed for state in models.states)
    return None if was_ready and serve else ready


def _stopped(models: ModelPlan, count: str, *, suspended: bool) -> Verdict:
    if suspended:
        return Verdict(status=False, reason=Reason.SUSPENDED, message="spec.suspend is true")
    missing = one_line(", ".join(state.name for state in models.states if state.stage != "Ready"))
    message = f"{count}; Ollama is scaled to zero, and pulls {missing} when it starts"
    return Verdict(status=False, reason=Reason.SCALED_TO_ZERO, message=message)
