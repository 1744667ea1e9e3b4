"""Readiness of an Ollama pod: the pod itself knows whether it has its models, also while the operator is down.

The models it needs are in a ConfigMap, not in the pod template: a model that is added must not restart the pods. They
are those that the bridge offers, so that a model being pulled into a running pipeline takes no pod out of service.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from speechoperator.api.labels import metadata
from speechoperator.api.names import PORTS, REQUIRED_MODELS, object_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from speechoperator.api import SpeechPipeline
    from speechoperator.kube.objects import Object
    from speechoperator.plan.manifests.probes import Probe

PATH = "/etc/speechpipeline/ollama"
"""Where the ConfigMap is mounted."""

VOLUME = "required-models"

_SCRIPT = f"""\
[ -r {PATH}/{REQUIRED_MODELS} ] || exit 1
have=$(OLLAMA_HOST=localhost:{PORTS["ollama"]} ollama list) || exit 1
have=$(echo "$have" | tr 'A-Z\\t' 'a-z ')
missing=
while read -r model; do
  case "
$have" in
    *"
$model "*) ;;
    *) missing="$missing $model" ;;
  esac
  [ -e /tmp/models-seen ] && break
done < {PATH}/{REQUIRED_MODELS}
if [ "$missing" ]; then
  echo "missing models:$missing"
  exit 1
fi
: > /tmp/models-seen
"""
"""Compares the first column of `ollama list` with the required models. A pod that has had all of them stays ready as
long as it has the first one, the default: another that was removed by hand is pulled again beside the traffic.

Requires a shell and `tr` in the image, besides Ollama. `localhost` is never sent to a proxy."""


def config_map(pipeline: SpeechPipeline, models: Iterable[str]) -> Object:
    """Return the ConfigMap with the models that a pod must have to receive requests.

    Args:
        pipeline: The pipeline.
        models: Their canonical names, the default first.
    """
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(pipeline, "ollama", object_name(pipeline.name, "ollama")),
        "data": {REQUIRED_MODELS: "".join(f"{model}\n" for model in models)},
    }


def volume(pipeline: SpeechPipeline) -> dict[str, Any]:
    """Return the volume with the ConfigMap; the kubelet updates it within about a minute."""
    return {"name": VOLUME, "configMap": {"name": object_name(pipeline.name, "ollama")}}


def probe(*, period: int, timeout: int, failures: int) -> Probe:
    """Return the readiness probe. For the arguments see `probes.http_probe`."""
    return {
        "exec": {"command": ["sh", "-c", _SCRIPT]},
        "periodSeconds": period,
        "timeoutSeconds": timeout,
        "failureThreshold": failures,
    }
