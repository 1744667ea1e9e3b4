"""The state of each model in the spec, over all pods."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from speechoperator.kube import objects
from speechoperator.plan.models import disk, names, progress
from speechoperator.plan.models.pull_errors import advice
from speechoperator.plan.models.pulls import pulled_at
from speechoperator.plan.text import counted, one_line, sentences

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from datetime import datetime

    from speechoperator.api import LanguageModel, Ollama
    from speechoperator.plan.models.ollama_pods import Pod
    from speechoperator.plan.models.warmth import Warmth
    from speechoperator.plan.snapshot import Memory, Pull, Snapshot

Stage: TypeAlias = Literal["Pending", "Pulling", "Warming", "Ready", "Failed"]


@dataclass(frozen=True, slots=True)
class ModelState:
    """The state of one model in the spec.

    Attributes:
        name: The name in the spec.
        stage: "Ready" if every Ollama pod has the model; "Warming" while none of them has loaded it (`warmed` only).
        replicas_ready: Pods that have the model.
        completed: Bytes downloaded by the pull with the least progress; 0 while unknown.
        total: Total bytes of that pull; 0 while unknown.
        rate: Bytes per second of that pull; 0 while unknown.
        verifying: Whether Ollama computes the checksums of that pull.
        eta: Seconds until the last pull completes, rounded; None while unknown.
        pulled_at: When it was last pulled; None if unknown, or if it is pulled only once.
        memory: What it takes in memory; None while unknown.
        swapped: Whether Ollama removed it from memory to load another.
        message: What failed, and what to do.
    """

    name: str
    stage: Stage
    replicas_ready: int = 0
    completed: int = 0
    total: int = 0
    rate: int = 0
    verifying: bool = False
    eta: int | None = None
    pulled_at: datetime | None = None
    memory: Memory | None = None
    swapped: bool = False
    message: str = ""

    @property
    def percent(self) -> int:
        """The share that is downloaded, rounded down."""
        return 100 * self.completed // self.total if self.total else 0


def state_of(model: LanguageModel, pods: Sequence[Pod], snapshot: Snapshot) -> ModelState:
    """Return the state of a model in the pods that the operator runs.

    A failed pull counts as failed until a retry has made progress; a full volume or damaged data, until it succeeds.
    """
    having = sum(1 for pod in pods if pod.models is not None and not pod.lacks(model))
    volumes = sorted({pod.volume for pod in pods})
    pulls = [pull for volume in volumes if (pull := snapshot.pulls.get((volume, model.name)))]
    failed = next((pull for pull in pulls if pull.stage == "Failed" or pull.attempts), None)
    if pods and having == len(pods):
        last = pulled_at(model, volumes, snapshot) if model.refresh_s is not None else None
        return ModelState(model.name, "Ready", having, pulled_at=last, message=_failure(failed) if failed else "")
    if owner := next((name for pod in pods if pod.lacks(model) and (name := pod.defined_by(model))), ""):
        return ModelState(model.name, "Failed", having, message=_defined_otherwise(owner))
    slowest = min(pulls, key=progress.share, default=None)
    if slowest is None:
        return ModelState(model.name, "Pending", having, message=_waits(model, volumes, snapshot))
    return ModelState(
        model.name,
        "Failed" if failed else "Pulling",
        having,
        completed=slowest.completed,
        total=slowest.total,
        rate=round(slowest.rate) if math.isfinite(slowest.rate) else 0,
        verifying=slowest.verifying,
        eta=None if failed else progress.seconds_left(pulls),
        message=_failure(failed) if failed else _no_room(slowest, pods, snapshot),
    )


def in_image(state: ModelState, pods: Sequence[Pod]) -> ModelState:
    """Return the state of a model that should be in `cache.image`, into which nothing can be pulled."""
    if state.stage != "Pending" or all(pod.models is None for pod in pods):
        return state
    return replace(state, stage="Failed", message="ollama.cache.image does not contain it: add it to the image")


def warmed(state: ModelState, warmth: Warmth) -> ModelState:
    """Return the state with what is known of the model in memory."""
    name = names.canonical(state.name)
    state = replace(state, memory=warmth.memory.get(name), swapped=name in warmth.evicted)
    waits = state.stage == "Ready" and warmth.cold and not warmth.warm
    return replace(state, stage="Warming") if waits else state


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


def _defined_otherwise(owner: str) -> str:
    return sentences(
        f"{owner} defines another model of this name on the same volume",
        "Rename one of them, or use separate volumes",
    )


def _waits(model: LanguageModel, volumes: Iterable[str], snapshot: Snapshot) -> str:
    """Return what the pulls of a model wait for, empty if for nothing."""
    waits = (snapshot.waiting_pulls.get((volume, model.name), "") for volume in volumes)
    return next((why for why in waits if why), "")


def _no_room(pull: Pull, pods: Sequence[Pod], snapshot: Snapshot) -> str:
    return disk.warning(pull.volume, pull.total, disk.used(pull.volume, pods, snapshot), snapshot)


def _failure(pull: Pull) -> str:
    attempts = counted(max(pull.attempts, 1), "failed attempt")
    retry = f", next at {objects.format_time(pull.retry_at)}" if pull.retry_at and pull.stage == "Failed" else ""
    return sentences(one_line(pull.error) or "the pull failed", advice(pull.error), f"{attempts}{retry}")
