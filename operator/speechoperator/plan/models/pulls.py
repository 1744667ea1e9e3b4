"""Which pulls to start and which to end: one at a time into each volume."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from speechoperator.kube import objects
from speechoperator.plan.actions import StartPull, StopPull

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from speechoperator.api import LanguageModel, Ollama
    from speechoperator.plan.models.ollama_pods import Pod
    from speechoperator.plan.snapshot import Pull, Snapshot


def starts(
    ollama: Ollama, pods: Sequence[Pod], snapshot: Snapshot, now: datetime, port: int
) -> tuple[tuple[StartPull, ...], list[float]]:
    """Return what to pull now, and in how many seconds each pull may be tried again that failed.

    Args:
        ollama: What is wanted.
        pods: The pods that count, sorted by volume.
        snapshot: The pulls there are.
        now: The time.
        port: The port of the Ollama pods.
    """
    busy = {volume for (volume, _), pull in snapshot.pulls.items() if pull.stage == "Pulling"}
    start: list[StartPull] = []
    waits: list[float] = []
    for volume, members in groupby(pods, key=lambda pod: pod.volume):
        pullers = [pod for pod in members if pod.asked]
        if volume in busy:
            continue
        for model in ollama.models:
            pull = _pull(model, pullers, port)
            if pull is None:
                continue
            wait = _wait(snapshot.pulls.get((volume, model.name)), now)
            if wait <= 0:
                start.append(pull)
                break
            waits.append(wait)
    return tuple(start), waits


def ends(ollama: Ollama, pods: Sequence[Pod], snapshot: Snapshot) -> tuple[StopPull, ...]:
    """Return the pulls that nobody wants any more."""
    wanted = {model.name: model for model in ollama.models}
    leaving = {objects.name(pod) for pod in snapshot.pods if objects.terminating(pod)}
    found = []
    for (volume, name), pull in sorted(snapshot.pulls.items()):
        members = [pod for pod in pods if pod.volume == volume]
        if reason := _useless(wanted.get(name), pull, members, leaving):
            found.append(StopPull(volume, name, reason))
    return tuple(found)


def _pull(model: LanguageModel, pullers: Sequence[Pod], port: int) -> StartPull | None:
    for pod in pullers:
        if pod.lacks(model) and (address := objects.address(pod.raw, port)):
            source = model.source or model.name
            return StartPull(pod.name, address, pod.volume, model.name, source, insecure=model.insecure)
    return None


def _wait(pull: Pull | None, now: datetime) -> float:
    if pull is None or pull.retry_at is None:
        return 0.0
    return (pull.retry_at - now).total_seconds()


def _useless(model: LanguageModel | None, pull: Pull, members: Sequence[Pod], leaving: set[str]) -> str:
    if model is None:
        return f"{pull.model} left the spec"
    if not members:
        return f"no pod has {pull.volume} any more"
    if pull.stage == "Pulling":
        # Ollama ends only once nobody is connected any more, the puller included.
        return f"pod {pull.pod} is on its way out" if pull.pod in leaving else ""
    there = any(pod.asked for pod in members) and not any(pod.lacks(model) for pod in members)
    return f"{pull.model} is there" if there else ""
