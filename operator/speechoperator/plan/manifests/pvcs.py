"""Model storage of Whisper and Ollama: the PVC, and the volume of the pods with its mount."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from speechoperator.api.labels import metadata
from speechoperator.api.names import CACHE_VOLUME, object_name

if TYPE_CHECKING:
    from speechoperator.api import Cache, SpeechPipeline
    from speechoperator.api.names import Component
    from speechoperator.kube.objects import Object

CACHE = CACHE_VOLUME

CACHE_PATH = "/cache"

_KEPT_BY_ARGO_CD = {
    "argocd.argoproj.io/compare-options": "IgnoreExtraneous",
    "argocd.argoproj.io/sync-options": "Prune=false,Delete=false",
}
"""Argo CD tracking by label takes a PVC without an owner for part of an application of the pipeline's name, and would
prune it. Source: https://argo-cd.readthedocs.io/en/stable/user-guide/sync-options/#no-prune-resources
"""


def pvc(pipeline: SpeechPipeline, component: Component, cache: Cache) -> Object:
    """Return the PVC of a component. A retained PVC has no owner, so it is not garbage-collected.

    Only an explicit `Delete` makes the pipeline its owner, also of a PVC left by an earlier pipeline: the default must
    not adopt what was retained.
    """
    name = object_name(pipeline.name, component)
    storage_class = cache.storage_class_name
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": metadata(pipeline, component, name, dict(_KEPT_BY_ARGO_CD), owned=cache.when_deleted == "Delete"),
        "spec": {
            "accessModes": [cache.access_mode],
            **({} if storage_class is None else {"storageClassName": storage_class}),
            "resources": {"requests": {"storage": cache.size}},
        },
    }


def volume(pipeline: SpeechPipeline, component: Component, cache: Cache) -> dict[str, Any]:
    """Return the volume that holds the models in a component's pods."""
    if cache.ephemeral:
        return {"name": CACHE, "emptyDir": {"sizeLimit": cache.size}}
    if cache.node_path:
        return {"name": CACHE, "hostPath": {"path": cache.node_path, "type": "DirectoryOrCreate"}}
    if cache.image:
        return {"name": CACHE, "image": {"reference": cache.image, "pullPolicy": "IfNotPresent"}}
    name = cache.existing_claim or object_name(pipeline.name, component)
    return {"name": CACHE, "persistentVolumeClaim": {"claimName": name}}


def mount(*, read_only: bool = False) -> dict[str, Any]:
    """Return the mount of that volume in a container."""
    return {"name": CACHE, "mountPath": CACHE_PATH, **({"readOnly": True} if read_only else {})}
