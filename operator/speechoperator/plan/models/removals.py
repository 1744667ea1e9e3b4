"""Models on a volume that no pipeline wants: they are reported, and removed after a grace time.

Wanted is what the spec of any pipeline that uses the volume names, with the bases of derived models, and what the
bridges still offer. Since when a model is not wanted is in the status: a restart of the operator does not matter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from speechoperator.kube import objects
from speechoperator.plan.actions import RemoveModel
from speechoperator.plan.models import definitions, names

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from speechoperator.api import Ollama
    from speechoperator.plan.models.ollama_pods import Pod
    from speechoperator.plan.snapshot import Snapshot

GRACE_S = 24 * 3600.0
"""Seconds for which a model stays that is no longer wanted: a change of the spec may be undone."""


@dataclass(frozen=True, slots=True)
class UnusedModel:
    """A model that no pipeline wants.

    Attributes:
        name: Its canonical name.
        size: Its bytes; layers that it shares with other models stay.
        since: Since when it is known that it is not wanted.
    """

    name: str
    size: int
    since: datetime


def removals(
    ollama: Ollama,
    pods: Sequence[Pod],
    snapshot: Snapshot,
    now: datetime,
    port: int,
    offers: Iterable[str] = (),
) -> tuple[tuple[UnusedModel, ...], tuple[RemoveModel, ...], float | None]:
    """Return the unused models, which of them to remove, and the seconds until the next one is due.

    Nothing is removed while a model of the spec is missing or pulled, or as long as it is unknown what another pipeline
    that uses the volume wants.

    Args:
        ollama: The spec.
        pods: The active pods, sorted by volume.
        snapshot: Its status says since when models are unused.
        now: The time.
        port: The port of the Ollama pods.
        offers: The models that the bridges offer now.
    """
    complete = bool(pods) and not any(pod.lacks(model) or not pod.reachable for pod in pods for model in ollama.models)
    if not complete or snapshot.pulls:
        return _reported(snapshot), (), None
    since = {model.name: model.since for model in _reported(snapshot)}
    unused: dict[str, UnusedModel] = {}
    remove, waits = [], []
    for pod in _one_by_volume(pods):
        others = snapshot.wanted_by_others.get(pod.volume, frozenset())
        address = objects.address(pod.raw, port)
        for name in sorted(pod.digests):
            if name in _wanted(ollama, pod, offers) or others is None or name in others:
                continue
            marker = name.startswith(definitions.MARKER_NAMESPACE)
            if marker and others:
                continue  # it may be that of a derived model of another pipeline
            model = UnusedModel(name, _size(name, pod, snapshot), since.get(name, now))
            if not marker:
                unused[name] = model
            wait = 0.0 if marker else (model.since - now).total_seconds() + GRACE_S
            if not ollama.cache.removes_unused or address is None:
                continue
            if wait > 0:
                waits.append(wait)
            else:
                remove.append(RemoveModel(pod.name, address, pod.volume, name, "no pipeline wants it"))
    return tuple(unused.values()), tuple(remove), min(waits, default=None)


def _wanted(ollama: Ollama, pod: Pod, offers: Iterable[str]) -> set[str]:
    wanted = {names.canonical(name) for name in offers}
    for model in ollama.models:
        wanted.add(names.canonical(model.name))
        if model.base is not None:
            base = names.canonical(model.base)
            wanted |= {
                base,
                definitions.marker(model.name, definitions.definition(model), pod.digests.get(base, "")),
            }
    return wanted


def _one_by_volume(pods: Iterable[Pod]) -> Iterable[Pod]:
    found: dict[str, Pod] = {}
    for pod in pods:
        found.setdefault(pod.volume, pod)
    return found.values()


def _size(canonical: str, pod: Pod, snapshot: Snapshot) -> int:
    sizes = snapshot.ollama[pod.name].sizes
    return next((size for name, size in sizes.items() if names.canonical(name) == canonical), 0)


def _reported(snapshot: Snapshot) -> tuple[UnusedModel, ...]:
    """Return the unused models of the status, ignoring malformed ones."""
    found = snapshot.status.get("unusedModels")
    listed = (one for one in (found if isinstance(found, list) else ()) if isinstance(one, dict))
    return tuple(
        UnusedModel(str(one["name"]), int(one.get("sizeBytes") or 0), objects.parse_time(str(one["since"])))
        for one in listed
        if "name" in one and "since" in one
    )
