"""The list of models that the bridges offer: a ConfigMap that they mount, and read again when it changes.

So a model that is added restarts no bridge. The format is that of the bridge's setting MODELS_FILE, see
`speechbridge/model_list.py`: bridges of older releases read it too, so it may only gain members that they can ignore.
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from speechoperator.api.labels import metadata
from speechoperator.api.names import object_name
from speechoperator.kube.objects import Ref
from speechoperator.plan.models import request_options

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from speechoperator.api import Bridge, SpeechPipeline
    from speechoperator.kube.objects import Object
    from speechoperator.plan.models.request_options import ModelOptions

VARIABLE = "MODELS_FILE"
"""The setting of the bridge."""

VARIABLES = frozenset({"MODELS", "MODEL_OPTIONS"})
"""The settings that the file replaces."""

_PATH = "/etc/speechpipeline/models"
_KEY = "models.json"
_VOLUME = "model-list"

FILE = f"{_PATH}/{_KEY}"
"""The path of the list in a pod."""

# Not a `subPath`: the kubelet never updates those.
MOUNT: dict[str, Any] = {"name": _VOLUME, "mountPath": _PATH, "readOnly": True}


class _Listed(request_options.ModelOptions):
    name: str


class _File(BaseModel):
    models: tuple[_Listed, ...]


def config_map(pipeline: SpeechPipeline, models: Sequence[str]) -> Object:
    """Return the ConfigMap with the list.

    Args:
        pipeline: The pipeline.
        models: Names of the models to offer, the default first.
    """
    own = request_options.of_models(pipeline.spec.ollama)
    listed = [{"name": model, **own.get(model, {})} for model in models]
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(pipeline, "bridge", _name(pipeline.name)),
        "data": {_KEY: json.dumps({"models": listed}, indent=2) + "\n"},
    }


def ref(pipeline: str) -> Ref:
    """Return which ConfigMap has the list of a pipeline."""
    return Ref("ConfigMap", _name(pipeline))


def volume(pipeline: str) -> dict[str, Any]:
    """Return the volume with the ConfigMap; the kubelet updates it within about 90 s, or when the pod is changed."""
    return {"name": _VOLUME, "configMap": {"name": _name(pipeline)}}


def names(config_map: Object) -> tuple[str, ...]:
    """Return the models in an existing list, the default first; none if it was edited beyond recognition."""
    try:
        return tuple(models(config_map))
    except ValueError:
        return ()


def models(config_map: Object) -> dict[str, ModelOptions]:
    """Return the models in an existing list by name, the default first, with what requests to each carry.

    Raises:
        ValueError: It was edited beyond recognition.
    """
    return {model.name: model for model in _File.model_validate_json(_text(config_map)).models}


def revision(config_map: Object) -> str:
    """Return what bridges with this list report at `/load`: the first 16 hexadecimal digits of the file's SHA-256."""
    return sha256(_text(config_map).encode()).hexdigest()[:16]


def is_read_by(deployment: Object) -> bool:
    """Return whether the bridges of a Deployment read the list: `env` and `podTemplate` may say otherwise."""
    containers = deployment["spec"]["template"]["spec"]["containers"]
    variables = (variable for one in containers if one["name"] == "bridge" for variable in one.get("env", ()))
    return any(variable.get("name") == VARIABLE and variable.get("value") == FILE for variable in variables)


def is_replaced(spec: Bridge) -> bool:
    """Return whether variables of the spec take the place of the list."""
    return any(variable.get("name") in VARIABLES for variable in _given_variables(spec))


def is_read_at_startup(spec: Bridge) -> bool:
    """Return whether a changed list may need new pods: the list is replaced, or the image may not know of the file."""
    own = (one.get("image") for one in _given_containers(spec))
    return spec.image is not None or any(own) or is_replaced(spec)


def _given_variables(spec: Bridge) -> Iterator[Mapping[str, Any]]:
    yield from ({"name": variable.name} for variable in spec.env)
    for one in _given_containers(spec):
        yield from (variable for variable in one.get("env") or () if isinstance(variable, dict))


def _given_containers(spec: Bridge) -> list[Mapping[str, Any]]:
    """Return what the `podTemplate` says about the bridge's own container."""
    containers = spec.pod_template.manifest().get("spec", {}).get("containers") or ()
    return [one for one in containers if isinstance(one, dict) and one.get("name") == "bridge"]


def _name(pipeline: str) -> str:
    return f"{object_name(pipeline, 'bridge')}-models"


def _text(config_map: Object) -> str:
    data: Mapping[str, str] = config_map.get("data") or {}
    return data.get(_KEY, "")
