"""How each model of the spec stands, over all pods."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from speechoperator.kube import objects
from speechoperator.plan.models import names
from speechoperator.plan.models.pull_errors import advice
from speechoperator.plan.text import clipped, sentences

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from speechoperator.api import LanguageModel
    from speechoperator.plan.models.ollama_pods import Pod
    from speechoperator.plan.snapshot import Pull, Snapshot

Stage: TypeAlias = Literal["Pending", "Pulling", "Ready", "Failed"]

_STEPS = ((30, 1), (300, 5), (math.inf, 30))
"""(Up to so many seconds, an estimate is rounded to so many): it changes seldom, and says no more than it knows."""


@dataclass(frozen=True, slots=True)
class ModelState:
    """How one model of the spec stands.

    Attributes:
        name: As the spec writes it.
        stage: "Ready" where every Ollama pod has it.
        replicas_ready: Pods that have it.
        completed: Bytes there, of the pull that is furthest behind; 0 while unknown.
        total: Bytes in all, likewise.
        eta: Seconds until the last pull is done, rounded; None while unknown.
        message: What failed, and what to do.
    """

    name: str
    stage: Stage
    replicas_ready: int = 0
    completed: int = 0
    total: int = 0
    eta: int | None = None
    message: str = ""


def state_of(model: LanguageModel, pods: Sequence[Pod], snapshot: Snapshot) -> ModelState:
    """Return how a model stands in the pods that the operator runs.

    A pull that failed counts as failed until a new try has brought something.
    """
    having = sum(1 for pod in pods if pod.has is not None and not pod.lacks(model))
    if pods and having == len(pods):
        return ModelState(model.name, "Ready", having)
    volumes = sorted({pod.volume for pod in pods})
    pulls = [pull for volume in volumes if (pull := snapshot.pulls.get((volume, model.name)))]
    failed = next((pull for pull in pulls if pull.stage == "Failed" or pull.attempts), None)
    behind = min(pulls, key=_done, default=None)
    return ModelState(
        model.name,
        "Failed" if failed else "Pulling" if pulls else "Pending",
        having,
        completed=behind.completed if behind else 0,
        total=behind.total if behind else 0,
        eta=None if failed else _eta(pulls),
        message=_failure(failed) if failed else "",
    )


def state_elsewhere(model: LanguageModel, there: Collection[str], url: str) -> ModelState:
    """Return how a model stands in an Ollama that runs elsewhere.

    Args:
        model: The model.
        there: What is there, with canonical names.
        url: Where it runs.
    """
    if names.canonical(model.name) in there:
        return ModelState(model.name, "Ready", 1)
    return ModelState(model.name, "Failed", message=f"{url} does not have it: run `ollama pull {model.name}` there")


def offered(states: Sequence[ModelState], offers: Sequence[str]) -> tuple[str, ...] | None:
    """Return what the bridge is to offer: what it offers now and what has come since, until all is there.

    Where the spec names none of what is offered now, that stays until something of the spec is there.

    Args:
        states: How the models of the spec stand, the default first.
        offers: What the bridges offer now; empty before there are bridges.

    Returns:
        None: all that the spec names.
    """
    if not offers or all(state.stage == "Ready" for state in states):
        return None
    usable = tuple(state.name for state in states if state.name in offers or state.stage == "Ready")
    return usable or tuple(offers)


def _done(pull: Pull) -> float:
    return pull.completed / pull.total if pull.total > 0 else 0.0


def _eta(pulls: Iterable[Pull]) -> int | None:
    """Return the seconds until the last pull is done; None while those of one are unknown."""
    lasting = []
    for pull in pulls:
        if pull.rate <= 0 or pull.total <= 0:
            return None
        lasting.append(max(pull.total - pull.completed, 0) / pull.rate)
    seconds = max(lasting, default=math.inf)
    if not math.isfinite(seconds):
        return None
    step = next(step for limit, step in _STEPS if seconds <= limit)
    return math.ceil(seconds / step) * step


def _failure(pull: Pull) -> str:
    tries = "once" if pull.attempts <= 1 else f"{pull.attempts} times"
    again = f", again at {objects.format_time(pull.retry_at)}" if pull.retry_at and pull.stage == "Failed" else ""
    return sentences(clipped(pull.error) or "the pull failed", advice(pull.error), f"Tried {tries}{again}")
