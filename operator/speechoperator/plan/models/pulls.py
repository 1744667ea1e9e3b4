"""Which pulls to start and which to stop: at most one pull runs per volume, those of small models first."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from speechoperator.kube import objects
from speechoperator.plan.actions import StartPull, StopPull
from speechoperator.plan.models import names

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from speechoperator.api import LanguageModel, Ollama
    from speechoperator.plan.models.ollama_pods import Pod
    from speechoperator.plan.snapshot import Pull, Snapshot


def pulls_to_start(
    ollama: Ollama, pods: Sequence[Pod], snapshot: Snapshot, now: datetime, port: int
) -> tuple[tuple[StartPull, ...], list[float]]:
    """Return the pulls to start, and the seconds until each failed pull may be retried.

    Args:
        ollama: The spec.
        pods: The active pods, sorted by volume.
        snapshot: Contains the pulls so far.
        now: The time.
        port: The port of the Ollama pods.
    """
    busy = {volume for (volume, _), pull in snapshot.pulls.items() if pull.stage == "Pulling"}
    start: list[StartPull] = []
    waits: list[float] = []
    for volume, members in groupby(pods, key=lambda pod: pod.volume):
        pullers = [pod for pod in members if pod.reachable]
        if volume in busy:
            continue
        for model in sorted(ollama.models, key=lambda model: names.parameters(model.name)):
            pull = _pull(model, pullers, port)
            if pull is None:
                continue
            wait = _seconds_until_retry(snapshot.pulls.get((volume, model.name)), now)
            if wait <= 0:
                start.append(pull)
                break
            waits.append(wait)
    return tuple(start), waits


def pulls_to_stop(ollama: Ollama, pods: Sequence[Pod], snapshot: Snapshot) -> tuple[StopPull, ...]:
    """Return the pulls that are no longer wanted."""
    wanted = {model.name: model for model in ollama.models}
    terminating = {objects.name(pod) for pod in snapshot.pods if objects.terminating(pod)}
    found = []
    for (volume, name), pull in sorted(snapshot.pulls.items()):
        members = [pod for pod in pods if pod.volume == volume]
        if reason := _stop_reason(wanted.get(name), pull, members, terminating):
            found.append(StopPull(volume, name, reason))
    return tuple(found)


def _pull(model: LanguageModel, pullers: Sequence[Pod], port: int) -> StartPull | None:
    for pod in pullers:
        if pod.lacks(model) and (address := objects.address(pod.raw, port)):
            source = model.source or model.name
            return StartPull(pod.name, address, pod.volume, model.name, source, insecure=model.insecure)
    return None


def _seconds_until_retry(pull: Pull | None, now: datetime) -> float:
    if pull is None or pull.retry_at is None:
        return 0.0
    return (pull.retry_at - now).total_seconds()


def _stop_reason(model: LanguageModel | None, pull: Pull, members: Sequence[Pod], terminating: set[str]) -> str:
    if model is None:
        return f"{pull.model} was removed from the spec"
    if not members:
        return f"no pod uses {pull.volume} any longer"
    if pull.stage == "Pulling":
        # Ollama exits only after all connections are closed, including the one of the pull.
        return f"pod {pull.pod} is terminating" if pull.pod in terminating else ""
    present = any(pod.reachable for pod in members) and not any(pod.lacks(model) for pod in members)
    return f"{pull.model} is present" if present else ""
