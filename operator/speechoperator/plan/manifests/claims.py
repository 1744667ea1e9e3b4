"""Where Whisper and Ollama keep their models: the claim, and the volume of the pods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from speechoperator.api.labels import metadata
from speechoperator.api.names import object_name

if TYPE_CHECKING:
    from speechoperator.api import Cache, SpeechPipeline
    from speechoperator.api.names import Component
    from speechoperator.kube.objects import Object

CACHE = "cache"
"""The volume's name in the pods."""

CACHE_PATH = "/cache"


def claim(pipeline: SpeechPipeline, component: Component, cache: Cache) -> Object:
    """Return a part's claim; one that is to be retained has no owner, so the garbage collector leaves it alone."""
    name = object_name(pipeline.name, component)
    storage_class = cache.storage_class_name
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": metadata(pipeline, component, name, owned=cache.when_deleted == "Delete"),
        "spec": {
            "accessModes": [cache.access_mode],
            **({} if storage_class is None else {"storageClassName": storage_class}),
            "resources": {"requests": {"storage": cache.size}},
        },
    }


def volume(pipeline: SpeechPipeline, component: Component, cache: Cache) -> dict[str, Any]:
    """Return the volume of a part's pods that holds the models."""
    if cache.ephemeral:
        return {"name": CACHE, "emptyDir": {"sizeLimit": cache.size}}
    name = cache.existing_claim or object_name(pipeline.name, component)
    return {"name": CACHE, "persistentVolumeClaim": {"claimName": name}}
