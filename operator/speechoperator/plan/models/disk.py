"""Whether a model fits on its volume.

Only the size limit of an emptyDir is certain: the kubelet evicts a pod that exceeds it. How much a PVC holds depends on
its driver (NFS and node folders do not enforce its size), and only the kubelet knows how much of it is free. So a model
larger than a PVC is reported, and pulled all the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechoperator.kube import objects, quantities
from speechoperator.kube.kinds import PVC
from speechoperator.kube.objects import Ref
from speechoperator.plan.text import size

if TYPE_CHECKING:
    from collections.abc import Iterable

    from speechoperator.api import Ollama
    from speechoperator.plan.snapshot import OllamaPod, Snapshot


def limit(ollama: Ollama) -> int:
    """Return how many bytes the volumes of the pods certainly cannot exceed; 0 if that is unknown."""
    return int(quantities.value(ollama.storage.size)) if ollama.storage.ephemeral else 0


def exceeded(needed: int, capacity: int) -> str:
    """Return the error of a model that certainly does not fit."""
    return f"the model needs {size(needed)}, and the volume holds {size(capacity)}"


def warning(volume: str, needed: int, snapshot: Snapshot) -> str:
    """Return that a model is larger than the PVC that it is pulled into; empty if it is not, or if that is unknown.

    Args:
        volume: The volume, as `volume_of` says.
        needed: Bytes of the model, as far as they are known.
        snapshot: Contains the PVC, if the operator created it.
    """
    kind, _, name = volume.partition(":")
    pvc = snapshot.objects.get(Ref(PVC.name, name)) if kind == "pvc" else None
    if pvc is None:
        return ""
    granted = (objects.status(pvc).get("capacity") or {}).get("storage")
    capacity = granted or pvc["spec"]["resources"]["requests"]["storage"]
    if needed <= quantities.value(capacity):
        return ""
    advice = "increase ollama.cache.size, unless its driver ignores that"
    return f"needs {size(needed)}, PVC {name} has {capacity}: {advice}"


def used(answers: Iterable[OllamaPod]) -> int:
    """Return the bytes of the models on a volume, as its pods list them. A model with two names counts once."""
    by_digest = {
        answer.models.get(name, name) or name: number for answer in answers for name, number in answer.sizes.items()
    }
    return sum(by_digest.values())
