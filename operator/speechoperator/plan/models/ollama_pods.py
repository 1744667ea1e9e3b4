"""The Ollama pods that count, and what each of them has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from speechoperator.api import labels
from speechoperator.api.names import MODELS_READY
from speechoperator.kube import objects
from speechoperator.plan.models import names
from speechoperator.plan.text import clipped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from speechoperator.api import LanguageModel
    from speechoperator.kube.objects import Object
    from speechoperator.plan.snapshot import Snapshot

_SEPARATOR = ", "


@dataclass(frozen=True, slots=True)
class Pod:
    """An Ollama pod that counts.

    Attributes:
        raw: The pod.
        name: Its name.
        volume: Where its models are: "claim:NAME" or "pod:NAME".
        has: The models it has, with canonical names; None while unknown.
        asked: Whether it answered right now, so that it can be told to pull.
    """

    raw: Object
    name: str
    volume: str
    has: frozenset[str] | None
    asked: bool

    def lacks(self, model: LanguageModel) -> bool:
        """Tell whether the model is known not to be there."""
        return self.has is not None and names.canonical(model.name) not in self.has


def ollama_pods(snapshot: Snapshot) -> tuple[Pod, ...]:
    """Return the pods that count, by volume and name."""
    alive = (pod for pod in snapshot.pods if labels.component_of(pod) == "ollama" and objects.alive(pod))
    return tuple(sorted((_pod(raw, snapshot) for raw in alive), key=lambda pod: (pod.volume, pod.name)))


def listed(ollama_models: Sequence[LanguageModel]) -> str:
    """Return models as the message of an open gate names them; `ollama_pods` reads that back."""
    return _SEPARATOR.join(dict.fromkeys(names.canonical(model.name) for model in ollama_models))


def running(pod: Object) -> bool:
    """Tell whether a pod has a container to ask."""
    return any("running" in (container.get("state") or {}) for container in objects.containers(pod))


def silent(pods: Sequence[Pod], snapshot: Snapshot) -> str:
    """Return which pod's probes pass though it cannot be asked for its models, and why; empty where there is none."""
    for pod in sorted(pods, key=lambda pod: pod.name):
        said = snapshot.ollama.get(pod.name)
        if said is not None and not said.reachable and objects.containers_ready(pod.raw):
            return f"pod {pod.name} does not say which models it has: {clipped(said.detail)}"
    return ""


def _pod(raw: Object, snapshot: Snapshot) -> Pod:
    name, volume = objects.name(raw), volume_of(raw)
    said = snapshot.ollama.get(name)
    if said is None or not said.reachable:
        return Pod(raw, name, volume, _remembered(raw), asked=False)
    return Pod(raw, name, volume, frozenset(names.canonical(model) for model in said.models), asked=True)


def _remembered(pod: Object) -> frozenset[str] | None:
    """Return what the gate says that a pod has, which cannot be asked just now."""
    gate = objects.condition(pod, MODELS_READY)
    if gate is None or gate.get("status") != "True":
        return None
    return frozenset((gate.get("message") or "").split(_SEPARATOR))


def volume_of(pod: Object) -> str:
    """Return the volume that a pull in this pod fills: "claim:NAME" where it mounts a claim, else "pod:NAME"."""
    for volume in pod.get("spec", {}).get("volumes") or ():
        if claim := volume.get("persistentVolumeClaim"):
            return f"claim:{claim['claimName']}"
    return f"pod:{objects.name(pod)}"
