"""Updates: changes of pods that come from a new release of the operator, not from the spec.

Every Deployment is stamped with two hashes: of the part of the spec that its pods are built from, and of the pod
template. If the second one is new and the first one is not, the operator has changed: its images, its settings or its
code. Such a change replaces the pods of all pipelines, so it is paced, and it can be held (`spec.upgradePolicy`). A
change of the spec is made at once, and brings a pending update of that component with it.

Pods of a component that is scaled to zero, before or after the change, are not replaced: nothing is paced there. A
Deployment without hashes is from a release that did not know them: nobody can tell what has changed, and its pods may
need what this release no longer does, so it is written at once.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from speechoperator.api.names import COMPONENTS, INPUTS_HASH, TEMPLATE_HASH, object_name
from speechoperator.kube import objects
from speechoperator.kube.objects import Ref
from speechoperator.plan.models import model_list

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from speechoperator.api import SpeechPipeline
    from speechoperator.api.names import Component
    from speechoperator.kube.objects import Object
    from speechoperator.plan.actions import Apply

_COMPONENTS: Mapping[str, Component] = {component: component for component in COMPONENTS}
_NOT_ABOUT_PODS = frozenset({"suspend", "upgradePolicy", "class", "networkPolicy", "scaling", "verification"})
_NOT_ABOUT_SERVING_PODS = frozenset({"cache", "models", "scaling", "serviceAccountAnnotations"})
"""Fields of Whisper and Ollama that do not change their pods; the volume that follows from `cache` counts by itself."""
_NOT_ABOUT_BRIDGE_PODS = frozenset({"scaling", "service", "ingress", "gateway", "serviceAccountAnnotations"})
"""Fields of the bridge that do not change its Deployment; whether there is `scaling` counts by itself. `replicas` does:
held with the update, it would not be written."""
_BRIDGE_READS = frozenset({"engine", "url", "protocol", "auth", "ca", "contextLength", "keepAlive"})
"""Fields of Whisper and Ollama that the bridge reads at startup. It may read the models then, too: see `model_list`.
The `model` of Whisper matters to it only behind a `url`, and of `scaling` only whether it is to zero, by which requests
are held for longer."""
_BRIDGE_OBJECTS = frozenset({"ConfigMap", "Deployment"})
"""Kinds that are written together: the bridge's environment is in its ConfigMap."""


@dataclass(frozen=True, slots=True)
class Update:
    """A pending update of a component.

    Attributes:
        component: The component.
        before: The image that its pods run.
        after: The image of the update.
    """

    component: Component
    before: str
    after: str

    def __str__(self) -> str:
        """Return the update for people: "whisper (whisper:0.1.0 -> whisper:0.2.0)"."""
        return self.component if self.before == self.after else f"{self.component} ({self.before} -> {self.after})"


def stamped(manifests: Iterable[Object], pipeline: SpeechPipeline, models: Sequence[str]) -> tuple[Object, ...]:
    """Return the manifests with the hashes on their Deployments.

    Args:
        manifests: The manifests of the pipeline.
        pipeline: The pipeline.
        models: The models that the bridge offers: they change with the pulls, not with the operator.
    """
    return tuple(
        _stamped(manifest, pipeline, models) if manifest["kind"] == "Deployment" else manifest for manifest in manifests
    )


def pending(
    apply: Iterable[Apply], live: Mapping[Ref, Object], pipeline: SpeechPipeline, models: Sequence[str]
) -> tuple[Update, ...]:
    """Return the writes that are updates.

    Args:
        apply: The writes.
        live: The existing objects.
        pipeline: The pipeline.
        models: The models that the bridge offers.
    """
    with_models = _hash(_bridge_inputs(pipeline, models))
    found = []
    for one in apply:
        existing = live.get(Ref(one.object["kind"], objects.name(one.object)))
        if one.object["kind"] == "Deployment" and existing and _is_update(one.object, existing, with_models):
            component = _COMPONENTS[objects.name(one.object).rpartition("-")[2]]
            found.append(Update(component, _image(existing, component), _image(one.object, component)))
    return tuple(found)


def without(apply: Iterable[Apply], held: Iterable[Update], pipeline: str) -> tuple[Apply, ...]:
    """Return the writes without those that make updates."""
    names = {object_name(pipeline, update.component) for update in held}
    bridge = object_name(pipeline, "bridge")

    def makes(one: Apply) -> bool:
        kind, name = one.object["kind"], objects.name(one.object)
        return name in names and (kind == "Deployment" or (name == bridge and kind in _BRIDGE_OBJECTS))

    return tuple(one for one in apply if not makes(one))


def images(live: Mapping[Ref, Object], pipeline: str) -> Mapping[Component, str]:
    """Return the image that the pods of each component run, from the existing Deployments."""
    deployments = {component: live.get(Ref("Deployment", object_name(pipeline, component))) for component in COMPONENTS}
    return {
        component: image
        for component, deployment in deployments.items()
        if deployment and (image := _image(deployment, component))
    }


def uses_gpus(pipeline: SpeechPipeline) -> bool:
    """Return whether the pods of a pipeline use GPUs."""
    spec = pipeline.spec
    return any(one.managed and one.gpus > 0 for one in (spec.whisper, spec.ollama))


def _stamped(manifest: Object, pipeline: SpeechPipeline, models: Sequence[str]) -> Object:
    template, metadata = manifest["spec"]["template"], manifest["metadata"]
    component = objects.name(manifest).rpartition("-")[2]
    if component == "bridge":
        at_startup = model_list.is_read_at_startup(pipeline.spec.bridge)
        inputs = _bridge_inputs(pipeline, models if at_startup else None)
    else:
        inputs = _inputs(component, template, pipeline)
    hashes = {INPUTS_HASH: _hash(inputs), TEMPLATE_HASH: _hash(template)}
    return {**manifest, "metadata": {**metadata, "annotations": {**metadata.get("annotations", {}), **hashes}}}


def _inputs(component: str, template: Object, pipeline: SpeechPipeline) -> dict[str, Any]:
    """Return what the pods of Whisper or Ollama depend on, besides the operator itself."""
    spec, common = _spec(pipeline)
    serving = pipeline.spec.whisper if component == "whisper" else pipeline.spec.ollama
    own = spec.get(component, {})
    return {
        **common,
        component: _members(own, own.keys() - _NOT_ABOUT_SERVING_PODS),
        "volumes": list(objects.mounts(template)),  # a move to another PVC may be blocked for a while
        "ephemeral": serving.storage.size if serving.storage.ephemeral else "",
        **({"nodePath": serving.storage.node_path} if serving.storage.node_path else {}),
        **({"cacheImage": serving.storage.image} if serving.storage.image else {}),
    }


def _bridge_inputs(pipeline: SpeechPipeline, models: Sequence[str] | None) -> dict[str, Any]:
    """Return what the bridges depend on, besides the operator itself.

    Args:
        pipeline: The pipeline.
        models: The models that they offer; None if they hear of them without a restart.
    """
    spec, common = _spec(pipeline)
    whisper, ollama, bridge = (spec.get(name, {}) for name in ("whisper", "ollama", "bridge"))
    return {
        **common,
        "whisper": _members(whisper, _BRIDGE_READS if pipeline.spec.whisper.managed else _BRIDGE_READS | {"model"}),
        "ollama": _members(ollama, _BRIDGE_READS if models is None else _BRIDGE_READS | {"models"}),
        "bridge": _members(bridge, bridge.keys() - _NOT_ABOUT_BRIDGE_PODS),
        **({"autoscaled": True} if pipeline.spec.bridge.scaling else {}),
        **({"toZero": True} if pipeline.spec.to_zero and pipeline.spec.bridge.hold_timeout is None else {}),
        **({} if models is None else {"models": list(models)}),
    }


def _spec(pipeline: SpeechPipeline) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the spec, and the part of it that all pods depend on."""
    # Without defaults: the API server fills in those of a new definition, which is no change of the spec.
    spec = pipeline.spec.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return spec, {name: value for name, value in spec.items() if name not in (*_NOT_ABOUT_PODS, *_COMPONENTS)}


def _members(spec: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    return {name: value for name, value in spec.items() if name in names}


def _is_update(manifest: Object, live: Object, with_models: str) -> bool:
    """Return whether a write of a Deployment is an update.

    Args:
        manifest: The Deployment to write.
        live: The existing one.
        with_models: The hash of the inputs of bridges that read their models at startup, as those of older releases do.
    """
    after = manifest["metadata"]["annotations"]
    before = live["metadata"].get("annotations") or {}
    if 0 in {live["spec"].get("replicas", 1), manifest["spec"].get("replicas", 1)}:
        return False
    reads_at_startup = objects.name(live).endswith("-bridge") and not model_list.is_read_by(live)
    same = {after[INPUTS_HASH], with_models} if reads_at_startup else {after[INPUTS_HASH]}
    if before.get(INPUTS_HASH) not in same:
        return False
    return bool(before.get(TEMPLATE_HASH) != after[TEMPLATE_HASH])


def _image(deployment: Object, component: str) -> str:
    containers = deployment["spec"]["template"]["spec"]["containers"]
    found: str = next((one.get("image", "") for one in containers if one["name"] == component), "")
    return found


def _hash(value: object) -> str:
    return sha256(json.dumps(value, sort_keys=True, ensure_ascii=False).encode()).hexdigest()[:16]
