"""The active Ollama pods, and which models each of them has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from speechoperator.api import labels
from speechoperator.api.names import MODELS_READY
from speechoperator.kube import objects
from speechoperator.plan.models import names
from speechoperator.plan.text import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from speechoperator.api import LanguageModel
    from speechoperator.kube.objects import Object
    from speechoperator.plan.snapshot import Snapshot

_SEPARATOR = ", "


@dataclass(frozen=True, slots=True)
class Pod:
    """An active Ollama pod.

    Attributes:
        raw: The pod.
        name: Its name.
        volume: Where its models are: "pvc:NAME" or "pod:NAME".
        models: Canonical names of the models it has; None while unknown.
        reachable: Whether its Ollama responded, so that it can pull.
    """

    raw: Object
    name: str
    volume: str
    models: frozenset[str] | None
    reachable: bool

    def lacks(self, model: LanguageModel) -> bool:
        """Return whether the model is known to be missing."""
        return self.models is not None and names.canonical(model.name) not in self.models


def ollama_pods(snapshot: Snapshot) -> tuple[Pod, ...]:
    """Return the active pods, sorted by volume and name."""
    alive = (pod for pod in snapshot.pods if labels.component_of(pod) == "ollama" and objects.alive(pod))
    return tuple(sorted((_pod(raw, snapshot) for raw in alive), key=lambda pod: (pod.volume, pod.name)))


def gate_message(models: Sequence[LanguageModel]) -> str:
    """Return the message of an open readiness gate: the models of the pod. `ollama_pods` parses it."""
    return _SEPARATOR.join(dict.fromkeys(names.canonical(model.name) for model in models))


def running(pod: Object) -> bool:
    """Return whether a pod has a running container."""
    return any("running" in (container.get("state") or {}) for container in objects.containers(pod))


def unreachable(pods: Sequence[Pod], snapshot: Snapshot) -> str:
    """Return which pod passes its probes but does not list its models, and why; empty if none."""
    for pod in sorted(pods, key=lambda pod: pod.name):
        answer = snapshot.ollama.get(pod.name)
        if answer is not None and not answer.reachable and objects.containers_ready(pod.raw):
            return f"pod {pod.name} does not list its models: {one_line(answer.detail)}"
    return ""


def volume_of(pod: Object) -> str:
    """Return the volume that a pull in this pod fills: "pvc:NAME" if the pod mounts a PVC, else "pod:NAME"."""
    return next((f"pvc:{pvc}" for pvc in objects.mounts(pod)), f"pod:{objects.name(pod)}")


def _pod(raw: Object, snapshot: Snapshot) -> Pod:
    name, volume = objects.name(raw), volume_of(raw)
    answer = snapshot.ollama.get(name)
    if answer is None or not answer.reachable:
        return Pod(raw, name, volume, _last_known_models(raw), reachable=False)
    return Pod(raw, name, volume, frozenset(names.canonical(model) for model in answer.models), reachable=True)


def _last_known_models(pod: Object) -> frozenset[str] | None:
    """Return the models recorded in the readiness gate of a pod that cannot be queried now."""
    gate = objects.condition(pod, MODELS_READY)
    if gate is None or gate.get("status") != "True":
        return None
    return frozenset((gate.get("message") or "").split(_SEPARATOR))
