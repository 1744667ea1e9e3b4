"""Which pulls to start and which to stop: at most one pull runs per volume, those of small models first.

A model is pulled where it is missing, or was made by an older spec; with pullPolicy Always also where it is present,
from time to time. Ollama replaces a model only once the new one is complete.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from speechoperator.kube import objects
from speechoperator.plan.actions import StartPull, StopPull
from speechoperator.plan.models import names
from speechoperator.plan.models.definitions import definition
from speechoperator.plan.models.disk import limit, used

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from speechoperator.api import LanguageModel, Ollama
    from speechoperator.plan.models.ollama_pods import Pod
    from speechoperator.plan.snapshot import Pull, Snapshot


def pulls_to_start(
    ollama: Ollama, pods: Sequence[Pod], snapshot: Snapshot, now: datetime, port: int
) -> tuple[tuple[StartPull, ...], list[float]]:
    """Return the pulls to start, and the seconds until each failed pull may be retried; none into an image.

    Args:
        ollama: The spec.
        pods: The active pods, sorted by volume.
        snapshot: Contains the pulls so far.
        now: The time.
        port: The port of the Ollama pods.
    """
    if ollama.storage.image:
        return (), []
    busy = {volume for (volume, _), pull in snapshot.pulls.items() if pull.stage == "Pulling"}
    start: list[StartPull] = []
    waits: list[float] = []
    for volume, members in groupby(pods, key=lambda pod: pod.volume):
        pullers = [pod for pod in members if pod.reachable]
        if volume in busy:
            continue
        for model, puller in _candidates(ollama, pullers):
            address = objects.address(puller.raw, port)
            if address is None:
                continue
            adopt = puller.adopts(model)
            refresh = not puller.lacks(model) and not adopt
            wait = _seconds_until_retry(snapshot.pulls.get((volume, model.name)), now)
            if refresh:
                wait = max(wait, _seconds_until_refresh(model, volume, snapshot, now))
            if wait > 0:
                waits.append(wait)
                continue
            start.append(
                StartPull(
                    puller.name,
                    address,
                    volume,
                    model.name,
                    model.pulled_as,
                    insecure=model.insecure,
                    capacity=limit(ollama),
                    used=used(volume, pods, snapshot),
                    definition=definition(model),
                    refresh=refresh,
                    adopt=adopt,
                )
            )
            break
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


def pulled_at(model: LanguageModel, volumes: Iterable[str], snapshot: Snapshot) -> datetime | None:
    """Return when a model was last pulled into all of these volumes; None if that is unknown.

    After a restart of the operator the status says it.
    """
    reported = snapshot.status.get("models")
    listed = (one for one in (reported if isinstance(reported, list) else ()) if isinstance(one, dict))
    text = next((str(one.get("pulledAt") or "") for one in listed if one.get("name") == model.name), "")
    before = objects.parse_time(text) if text else None
    times = [snapshot.refreshed.get((volume, model.name), before) for volume in volumes]
    return min(known) if (known := [time for time in times if time]) and len(known) == len(times) else None


def _candidates(ollama: Ollama, pullers: Sequence[Pod]) -> Iterable[tuple[LanguageModel, Pod]]:
    """Yield the models to pull, each with a pod that can: missing ones first, and among these the small ones.

    What another pipeline defines on the volume is left to it: the two would replace it in turns.
    """
    own = [model for model in ollama.models if not any(pod.defined_by(model) for pod in pullers)]
    by_size = sorted(own, key=_expected_size)
    lacking = {model.name: pod for model in by_size for pod in reversed(pullers) if pod.lacks(model)}
    yield from ((model, lacking[model.name]) for model in by_size if model.name in lacking)
    if pullers:
        rest = [model for model in by_size if model.name not in lacking]
        first = pullers[0]
        yield from ((model, first) for model in rest if first.adopts(model))
        yield from ((model, first) for model in rest if model.refresh_s and not first.adopts(model))


def _expected_size(model: LanguageModel) -> float:
    """Return the billions of parameters in the name of a model, or in that it is pulled by."""
    return min(names.parameters(model.name), names.parameters(model.pulled_as))


def _seconds_until_refresh(model: LanguageModel, volume: str, snapshot: Snapshot, now: datetime) -> float:
    last = pulled_at(model, [volume], snapshot)
    return (last - now).total_seconds() + (model.refresh_s or 0.0) if last else 0.0


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
    if model.refresh_s is not None:
        return ""  # it failed to be pulled again, and is retried
    if any(pod.adopts(model) for pod in members):
        return ""  # it failed to be marked
    present = any(pod.reachable for pod in members) and not any(pod.lacks(model) for pod in members)
    return f"{pull.model} is present" if present else ""
