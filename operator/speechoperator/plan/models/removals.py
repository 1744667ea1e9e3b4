"""Models on a volume that no pipeline wants: they are reported, and removed after a grace time if the spec says so.

Wanted is what the spec of any pipeline that uses the volume names, with the bases of derived models, and what the
bridges still offer. Since when a model is not wanted is in the status: a restart of the operator does not matter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from speechoperator.api.names import CACHE_VOLUME, object_name
from speechoperator.kube import objects
from speechoperator.kube.kinds import PVC
from speechoperator.kube.objects import Ref
from speechoperator.plan.actions import RemoveModel
from speechoperator.plan.models import definitions, names

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from speechoperator.api import Ollama, SpeechPipeline
    from speechoperator.kube.objects import Object
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
    pipeline: SpeechPipeline,
    pods: Sequence[Pod],
    snapshot: Snapshot,
    now: datetime,
    port: int,
    offers: Iterable[str] = (),
) -> tuple[tuple[UnusedModel, ...], tuple[RemoveModel, ...], float | None]:
    """Return the unused models, which of them to remove, and the seconds until the next one is due.

    No model is removed while one of the spec is missing or pulled, or as long as it is unknown what another pipeline
    that uses the volume wants; nor from a volume that neither the operator created nor the spec names as the cache.
    Names that the operator gave itself, and that only keep replaced weights, are removed whatever the spec says.

    Args:
        pipeline: The pipeline.
        pods: The active pods, sorted by volume.
        snapshot: Its status says since when models are unused.
        now: The time.
        port: The port of the Ollama pods.
        offers: The models that the bridges offer now.
    """
    ollama = pipeline.spec.ollama
    left = () if ollama.storage.image else _leftovers(pods, snapshot, port)
    complete = bool(pods) and not any(pod.lacks(model) or not pod.reachable for pod in pods for model in ollama.models)
    if not complete or snapshot.pulls:
        return _still_unused(ollama, snapshot, offers), left, None
    since = {model.name: model.since for model in _reported(snapshot)}
    unused: dict[str, UnusedModel] = {}
    remove, waits = list(left), []
    for pod in _one_by_volume(pods):
        others = snapshot.wanted_by_others.get(pod.volume, frozenset())
        address = objects.address(pod.raw, port)
        own = _is_own(objects.volume(pod.raw, CACHE_VOLUME), pipeline, snapshot)
        for name in sorted(pod.digests.keys() - definitions.leftovers(pod.digests)):
            if name in _wanted(ollama, pod, offers) or others is None or name in others:
                continue
            if definitions.is_internal(name):
                # the marker of a derived model may be that of another pipeline
                if definitions.marks_derived(name) and own and not others and address is not None:
                    remove.append(RemoveModel(pod.name, address, pod.volume, name, "it marks a model of an older spec"))
                continue
            model = UnusedModel(name, _size(name, pod, snapshot), since.get(name, now))
            unused[name] = model
            wait = (model.since - now).total_seconds() + GRACE_S
            if not (own and ollama.cache.removes_unused) or address is None:
                continue
            if wait > 0:
                waits.append(wait)
            else:
                remove.append(RemoveModel(pod.name, address, pod.volume, name, "no pipeline wants it"))
    return tuple(unused.values()), tuple(remove), min(waits, default=None)


def _leftovers(pods: Iterable[Pod], snapshot: Snapshot, port: int) -> tuple[RemoveModel, ...]:
    """Return the removals of the operator's own names that only keep weights on a volume, whoever filled it.

    None while the pipeline pulls into the volume; `ollama.turns` sees to the pulls of others.
    """
    busy = {volume for (volume, _), pull in snapshot.pulls.items() if pull.stage == "Pulling"}
    idle = [pod for pod in _one_by_volume(pod for pod in pods if pod.reachable) if pod.volume not in busy]
    return tuple(
        RemoveModel(pod.name, address, pod.volume, name, "it was replaced", leftover=True)
        for pod in idle
        if (address := objects.address(pod.raw, port)) is not None
        for name in sorted(definitions.leftovers(pod.digests))
    )


def _is_own(volume: Object, pipeline: SpeechPipeline, snapshot: Snapshot) -> bool:
    """Return whether a pod's cache is what the spec says: an emptyDir, or the PVC created for it or named there.

    `podTemplate` may put any other volume in its place, which others fill.
    """
    if "emptyDir" in volume:
        return True
    pvc, storage = objects.claim(volume), pipeline.spec.ollama.storage
    created = Ref(PVC.name, object_name(pipeline.name, "ollama"))
    own = created.name if storage.creates_pvc and created in snapshot.objects else ""
    return bool(pvc) and pvc in {own, storage.existing_claim}


def _still_unused(ollama: Ollama, snapshot: Snapshot, offers: Iterable[str]) -> tuple[UnusedModel, ...]:
    """Return the unused models of the status without those that are wanted again: their grace time begins anew."""
    others = (wanted for wanted in snapshot.wanted_by_others.values() if wanted is not None)
    wanted = _named(ollama, offers).union(*others)
    return tuple(model for model in _reported(snapshot) if model.name not in wanted)


def _named(ollama: Ollama, offers: Iterable[str]) -> set[str]:
    bases = (model.base for model in ollama.models if model.base is not None)
    return {names.canonical(name) for name in (*offers, *(model.name for model in ollama.models), *bases)}


def _wanted(ollama: Ollama, pod: Pod, offers: Iterable[str]) -> set[str]:
    markers = (
        definitions.marker(model.name, definitions.definition(model), pod.digests.get(names.canonical(model.base), ""))
        for model in ollama.models
        if model.base is not None
    )
    return _named(ollama, offers).union(markers)


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
