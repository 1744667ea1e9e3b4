"""The active Ollama pods, and which models each of them has."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from speechoperator.api import labels
from speechoperator.api.names import CACHE_VOLUME, REQUIRED_MODELS, object_name
from speechoperator.kube import objects
from speechoperator.kube.objects import Ref
from speechoperator.plan.models import definitions, names
from speechoperator.plan.text import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from speechoperator.api import LanguageModel, SpeechPipeline
    from speechoperator.kube.objects import Object
    from speechoperator.plan.snapshot import Snapshot


_PVC = "pvc:"


@dataclass(frozen=True, slots=True)
class Pod:
    """An active Ollama pod.

    Attributes:
        raw: The pod.
        name: Its name.
        volume: Where its models are, as `volume_of` says.
        models: Canonical names of the models it has; None while unknown.
        reachable: Whether its Ollama responded, so that it can pull.
        digests: The digests of the models by canonical name; empty unless its Ollama responded.
        others: The models that other pipelines define on the volume, each with who they are: "pipeline other".
        others_known: Whether these are all. Unknown is who else uses a volume that `podTemplate` puts in the place of
            the cache: NFS, another PVC.
    """

    raw: Object
    name: str
    volume: str
    models: frozenset[str] | None
    reachable: bool
    digests: Mapping[str, str] = field(default_factory=dict)
    others: tuple[tuple[str, LanguageModel], ...] = ()
    others_known: bool = True

    def lacks(self, model: LanguageModel) -> bool:
        """Return whether the model is known to be missing, or to be made by an older spec: definition or source.

        A model of the spec without either may be any that another pipeline defines. Where the others are unknown, a
        model from another source may be theirs: the two would replace it in turns, for ever.
        """
        if self.models is None:
            return False
        if names.canonical(model.name) not in self.models:
            return True
        if not self.reachable or definitions.is_current(model, self.digests):
            return False
        if model.base is not None:
            return True
        return model.source is not None if self.defined_by(model) else self.others_known

    def defined_by(self, model: LanguageModel) -> str:
        """Return who defines the model of this name in another way, and has made it; empty if nobody has."""
        return definitions.made_by_others(model, self.digests, self.others)

    def adopts(self, model: LanguageModel) -> bool:
        """Return whether a model that is there without a marker is to get that of the spec.

        Without a source in the spec, it is left to others on the volume who define it in another way.
        """
        if not definitions.is_unmarked(model, self.digests):
            return False
        alone = self.others_known and not definitions.defined_otherwise(model, self.others)
        return model.source is not None or alone


def ollama_pods(snapshot: Snapshot, pipeline: SpeechPipeline) -> tuple[Pod, ...]:
    """Return the active pods of a pipeline, sorted by volume and name."""
    stored = stored_models(snapshot.status)
    config = snapshot.objects.get(Ref("ConfigMap", object_name(pipeline.name, "ollama"))) or {}
    required = frozenset(((config.get("data") or {}).get(REQUIRED_MODELS) or "").split())
    alive = (pod for pod in snapshot.pods if labels.component_of(pod) == "ollama" and objects.alive(pod))
    return tuple(
        sorted(
            (_pod(raw, pipeline, snapshot, required, stored) for raw in alive), key=lambda pod: (pod.volume, pod.name)
        )
    )


def unreachable(pods: Sequence[Pod], snapshot: Snapshot) -> str:
    """Return which pod has started but does not list its models, and why; empty if none."""
    for pod in sorted(pods, key=lambda pod: pod.name):
        answer = snapshot.ollama.get(pod.name)
        if answer is not None and not answer.reachable and objects.started(pod.raw):
            return f"pod {pod.name} does not list its models: {one_line(answer.detail)}"
    return ""


def volume_of(pod: Object) -> str:
    """Return the volume that a pull in this pod fills.

    It is "pvc:NAME", "nfs:SERVER:PATH", "node:NODE/PATH", else "pod:NAME": only the pod has it.
    """
    cache, node = objects.volume(pod, CACHE_VOLUME), pod.get("spec", {}).get("nodeName")
    if pvc := objects.claim(cache):
        return f"{_PVC}{pvc}"
    if share := cache.get("nfs"):
        return f"nfs:{share['server']}:{share['path']}"
    if (folder := cache.get("hostPath")) and node:
        return f"node:{node}{folder['path']}"
    return f"pod:{objects.name(pod)}"


def stored_models(status: Object) -> Mapping[str, frozenset[str]]:
    """Return the canonical names of the models on a PVC, by volume, as far as the status says so.

    What is malformed in the status is ignored. Models stay there while no pod runs.
    """
    ollama, listed = status.get("ollama"), status.get("models")
    volume = ollama.get("volume") if isinstance(ollama, dict) else None
    models = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    present = frozenset(
        names.canonical(str(one.get("name"))) for one in models if one.get("stage") in {"Ready", "Warming"}
    )
    return {volume: present} if volume and present else {}


def common_volume(pods: Sequence[Pod]) -> str:
    """Return the volume that all pods share, so that it outlives them; "" if there is none."""
    volumes = {pod.volume for pod in pods}
    volume = volumes.pop() if len(volumes) == 1 else ""
    return volume if volume.startswith(_PVC) else ""


def _pod(
    raw: Object,
    pipeline: SpeechPipeline,
    snapshot: Snapshot,
    required: frozenset[str],
    stored: Mapping[str, frozenset[str]],
) -> Pod:
    name, volume = objects.name(raw), volume_of(raw)
    answer = snapshot.ollama.get(name)
    if answer is None or not answer.reachable:
        known = _last_known_models(raw, required)
        if known is None and not objects.started(raw):
            known = stored.get(volume)
        return Pod(raw, name, volume, known, reachable=False)
    digests = {names.canonical(model): digest for model, digest in answer.models.items()}
    others = snapshot.defined_by_others.get(volume, ())
    return Pod(
        raw,
        name,
        volume,
        frozenset(digests),
        reachable=True,
        digests=digests,
        others=others,
        others_known=_others_known(objects.volume(raw, CACHE_VOLUME), pipeline),
    )


def _others_known(cache: Object, pipeline: SpeechPipeline) -> bool:
    """Return whether specs tell which other pipelines use a pod's cache: only the pod has it, or the spec names it."""
    storage = pipeline.spec.ollama.storage
    if pvc := objects.claim(cache):
        return pvc == (object_name(pipeline.name, "ollama") if storage.creates_pvc else storage.existing_claim)
    if folder := cache.get("hostPath"):
        return bool(folder.get("path") == storage.node_path)
    return not cache or "emptyDir" in cache or "ephemeral" in cache


def _last_known_models(pod: Object, required: frozenset[str]) -> frozenset[str] | None:
    """Return what a pod that cannot be queried now must have: it is ready, and its readiness probe requires these."""
    return required if required and objects.containers_ready(pod) else None
