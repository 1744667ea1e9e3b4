"""The state of each model in the spec, over all pods."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from speechoperator.kube import objects
from speechoperator.plan.models import names
from speechoperator.plan.models.pull_errors import advice
from speechoperator.plan.text import counted, one_line, sentences

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from speechoperator.api import LanguageModel, Ollama
    from speechoperator.plan.models.ollama_pods import Pod
    from speechoperator.plan.snapshot import Pull, Snapshot

Stage: TypeAlias = Literal["Pending", "Pulling", "Ready", "Failed"]

_ETA_STEPS = ((30, 1), (300, 5), (math.inf, 30))
"""(Limit, step) in seconds: estimates up to the limit are rounded up to the step, so that the status changes seldom."""


@dataclass(frozen=True, slots=True)
class ModelState:
    """The state of one model in the spec.

    Attributes:
        name: The name in the spec.
        stage: "Ready" if every Ollama pod has the model.
        replicas_ready: Pods that have the model.
        completed: Bytes downloaded by the pull with the least progress; 0 while unknown.
        total: Total bytes of that pull; 0 while unknown.
        eta: Seconds until the last pull completes, rounded; None while unknown.
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
    """Return the state of a model in the pods that the operator runs.

    A failed pull counts as failed until a retry has made progress.
    """
    having = sum(1 for pod in pods if pod.models is not None and not pod.lacks(model))
    if pods and having == len(pods):
        return ModelState(model.name, "Ready", having)
    volumes = sorted({pod.volume for pod in pods})
    pulls = [pull for volume in volumes if (pull := snapshot.pulls.get((volume, model.name)))]
    failed = next((pull for pull in pulls if pull.stage == "Failed" or pull.attempts), None)
    slowest = min(pulls, key=_progress, default=None)
    return ModelState(
        model.name,
        "Failed" if failed else "Pulling" if pulls else "Pending",
        having,
        completed=slowest.completed if slowest else 0,
        total=slowest.total if slowest else 0,
        eta=None if failed else _eta(pulls),
        message=_failure(failed) if failed else "" if pulls else _waits(model, volumes, snapshot),
    )


def external_state(model: LanguageModel, present: Collection[str], ollama: Ollama) -> ModelState:
    """Return the state of a model in an external service.

    Args:
        model: The model.
        present: Canonical names of the models it has.
        ollama: The spec of the service.
    """
    if names.canonical(model.name) in present:
        return ModelState(model.name, "Ready", 1)
    if ollama.protocol == "ollama":
        return ModelState(
            model.name, "Failed", message=f"missing at {ollama.url}: run `ollama pull {model.name}` there"
        )
    found = one_line(", ".join(sorted(name.removesuffix(":latest") for name in present))) or "nothing"
    advice = "Serve it under this name (vLLM: --served-model-name, llama.cpp: --alias)"
    return ModelState(model.name, "Failed", message=sentences(f"missing at {ollama.url}, which has {found}", advice))


def offered(states: Sequence[ModelState], offers: Sequence[str]) -> tuple[str, ...] | None:
    """Return the models that the bridge should offer: those it offers now plus those that became ready since.

    If the spec contains none of the models offered now, these stay until a model of the spec is ready.

    Args:
        states: States of the models in the spec, the default first.
        offers: What the bridges offer now; empty before there are bridges.

    Returns:
        None: all models of the spec.
    """
    if not offers or all(state.stage == "Ready" for state in states):
        return None
    usable = tuple(state.name for state in states if state.name in offers or state.stage == "Ready")
    return usable or tuple(offers)


def _waits(model: LanguageModel, volumes: Iterable[str], snapshot: Snapshot) -> str:
    """Return what the pulls of a model wait for, empty if for nothing."""
    waits = (snapshot.waiting_pulls.get((volume, model.name), "") for volume in volumes)
    return next((why for why in waits if why), "")


def _progress(pull: Pull) -> float:
    return pull.completed / pull.total if pull.total > 0 else 0.0


def _eta(pulls: Iterable[Pull]) -> int | None:
    """Return the seconds until the last pull completes; None while unknown for any of them."""
    remaining = []
    for pull in pulls:
        if pull.rate <= 0 or pull.total <= 0:
            return None
        remaining.append(max(pull.total - pull.completed, 0) / pull.rate)
    seconds = max(remaining, default=math.inf)
    if not math.isfinite(seconds):
        return None
    step = next(step for limit, step in _ETA_STEPS if seconds <= limit)
    return math.ceil(seconds / step) * step


def _failure(pull: Pull) -> str:
    attempts = counted(max(pull.attempts, 1), "failed attempt")
    retry = f", next at {objects.format_time(pull.retry_at)}" if pull.retry_at and pull.stage == "Failed" else ""
    return sentences(one_line(pull.error) or "the pull failed", advice(pull.error), f"{attempts}{retry}")
