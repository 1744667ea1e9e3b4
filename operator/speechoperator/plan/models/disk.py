"""Whether a model fits on its volume, beside those that are there.

Only the size limit of an emptyDir is certain: the kubelet evicts a pod that exceeds it. How much a PVC holds depends on
its driver (NFS and node folders do not enforce its size), and only the kubelet knows how much of it is free. So a model
that a PVC has no room for is reported, and pulled all the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechoperator.kube import objects, quantities
from speechoperator.kube.kinds import PVC
from speechoperator.kube.objects import Ref
from speechoperator.plan.models.definitions import marks_derived
from speechoperator.plan.models.names import canonical
from speechoperator.plan.text import size

if TYPE_CHECKING:
    from collections.abc import Iterable

    from speechoperator.api import Ollama
    from speechoperator.plan.models.ollama_pods import Pod
    from speechoperator.plan.snapshot import Snapshot


def limit(ollama: Ollama) -> int:
    """Return how many bytes the volumes of the pods certainly cannot exceed; 0 if that is unknown."""
    return int(quantities.value(ollama.storage.size)) if ollama.storage.ephemeral else 0


def exceeded(needed: int, capacity: int, taken: int) -> str:
    """Return the error of a model that certainly does not fit.

    Args:
        needed: Bytes that it adds.
        capacity: Bytes that the volume holds.
        taken: Bytes of the models that are there.
    """
    return f"the model needs {size(needed)}, and the volume holds {size(capacity)}{_of_which(taken)}"


def warning(volume: str, needed: int, taken: int, snapshot: Snapshot) -> str:
    """Return that the PVC that a model is pulled into has no room for it; empty if it has, or if that is unknown.

    Args:
        volume: The volume, as `volume_of` says.
        needed: Bytes of the model, as far as they are known.
        taken: Bytes of the models that are on the volume, as far as they are known.
        snapshot: Contains the PVC, if the operator created it.
    """
    capacity = _of_pvc(volume, snapshot)
    if not capacity or not needed or needed + taken <= quantities.value(capacity):
        return ""
    advice = "increase ollama.cache.size, unless its driver ignores that"
    name = volume.partition(":")[2]
    return f"needs {size(needed)}, PVC {name} has {capacity}{_of_which(taken)}: {advice}"


def free(volume: str, taken: int, ollama: Ollama, snapshot: Snapshot) -> int | None:
    """Return the bytes that the capacity of a volume leaves beside its models; None if the capacity is unknown.

    Args:
        volume: The volume, as `volume_of` says.
        taken: Bytes of the models that are on the volume, as far as they are known.
        ollama: The spec of Ollama.
        snapshot: Contains the PVC, if the operator created it.
    """
    own = volume.startswith("pod:")
    capacity = limit(ollama) if own else int(quantities.value(_of_pvc(volume, snapshot) or "0"))
    return max(0, capacity - taken) if capacity else None


def _of_pvc(volume: str, snapshot: Snapshot) -> str:
    """Return the capacity of a volume that is a PVC of the operator, a quantity; else an empty one."""
    kind, _, name = volume.partition(":")
    pvc = snapshot.objects.get(Ref(PVC.name, name)) if kind == "pvc" else None
    if pvc is None:
        return ""
    granted: str | None = (objects.status(pvc).get("capacity") or {}).get("storage")
    return granted or str(pvc["spec"]["resources"]["requests"]["storage"])


def used(volume: str, pods: Iterable[Pod], snapshot: Snapshot) -> int:
    """Return the bytes of the models on a volume, as its pods list them; 0 while unknown.

    A model with two names counts once, and a derived one not at all: it has the weights of its base. Ollama does not
    list which layers other models share, so these count for each.
    """
    answers = (snapshot.ollama[pod.name] for pod in pods if pod.volume == volume and pod.reachable)
    listed = [
        (name, answer.models.get(name, name) or name, number)
        for answer in answers
        for name, number in answer.sizes.items()
    ]
    derived = {digest for name, digest, _ in listed if marks_derived(canonical(name))}
    return sum({digest: number for _, digest, number in listed if digest not in derived}.values())


def _of_which(taken: int) -> str:
    return f", of which other models take {size(taken)}" if taken else ""
