"""Where Whisper and Ollama keep their models: the claim, and the volume of the pods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from speechoperator import quantities
from speechoperator.resources.labels import metadata
from speechoperator.resources.names import named

if TYPE_CHECKING:
    from speechoperator.models import Cache, SpeechPipeline
    from speechoperator.observed import Object
    from speechoperator.resources.names import Component

CACHE = "cache"
"""The volume's name in the pods."""

CACHE_PATH = "/cache"


def claim(pipeline: SpeechPipeline, component: Component, cache: Cache) -> Object:
    """Return a part's claim; one that is to be retained has no owner, so the garbage collector leaves it alone."""
    name = named(pipeline.name, component)
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
    name = cache.existing_claim or named(pipeline.name, component)
    return {"name": CACHE, "persistentVolumeClaim": {"claimName": name}}


def fitted(desired: Object, live: Object) -> Object:
    """Return what can be asked of a claim that is there; anything else would be refused at every try.

    Its class and modes cannot change, its size can only grow, and only once it is bound. A claim that was retained may
    be found again by a pipeline that says something else; one that a person made larger stays large.

    Args:
        desired: The claim as wanted. Stamp it before: its hash tells what was wanted, not what was there.
        live: The claim as it is.
    """
    spec, there = desired["spec"], live["spec"]
    kept = {key: there[key] for key in ("accessModes", "storageClassName") if key in there}
    sizes = [one["resources"]["requests"]["storage"] for one in (there, spec)]
    bound = live.get("status", {}).get("phase") == "Bound"
    storage = max(sizes, key=quantities.value) if bound else sizes[0]
    return {**desired, "spec": {**spec, **kept, "resources": {"requests": {"storage": storage}}}}
