"""The Deployment of the bridge."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from speechoperator.api.names import SETTINGS_HASH, object_name
from speechoperator.kube import quantities
from speechoperator.plan.manifests.bridge_config import KEYS_PATH, settings_hash
from speechoperator.plan.manifests.containers import Resources, container, resources
from speechoperator.plan.manifests.deployments import SURGE, deployment
from speechoperator.plan.manifests.limits import bridge_drain, spool_bytes
from speechoperator.plan.manifests.pod_templates import SLEEP_BEFORE_STOP, template
from speechoperator.plan.manifests.probes import Probes, http_probe
from speechoperator.plan.manifests.upstreams import api_keys, ca_mounts, ca_volumes
from speechoperator.plan.models import model_list

if TYPE_CHECKING:
    from collections.abc import Mapping

    from speechoperator.api import Bridge, SpeechPipeline
    from speechoperator.kube.objects import Object
    from speechoperator.plan.decisions import Decisions
    from speechoperator.settings import Settings

_PROGRESS_DEADLINE = 600
_GROUP_READABLE = 0o440
_OTHER_TMP_BYTES = 2**30
"""Room in /tmp besides the spool: a pod above the limit of its volume is evicted."""
_LIMITS = {"memory": "1Gi"}
_REQUESTS = {"cpu": "100m", "memory": "128Mi", "ephemeral-storage": "1Gi"}  # for uploads, which are spooled
_RESOURCES: Resources = {"requests": _REQUESTS, "limits": _LIMITS}
_AUTOSCALED_RESOURCES: Resources = {"requests": {**_REQUESTS, "cpu": "500m"}, "limits": _LIMITS}
"""A HorizontalPodAutoscaler compares usage with the request: at 100m, a single request would exceed the target."""


def bridge(pipeline: SpeechPipeline, settings: Settings, decisions: Decisions, variables: Mapping[str, str]) -> Object:
    """Return the Deployment of the bridge.

    Args:
        pipeline: The pipeline.
        settings: The operator's settings.
        decisions: Contains replicas and image.
        variables: The environment in the ConfigMap.
    """
    spec = pipeline.spec.bridge
    # /livez, not /readyz, which depends on Whisper and Ollama: while they are unavailable the bridge holds requests.
    pod = container(
        "bridge",
        spec,
        image=decisions.images["bridge"],
        env={} if model_list.is_replaced(spec) else {model_list.VARIABLE: model_list.FILE},
        envFrom=[{"configMapRef": {"name": object_name(pipeline.name, "bridge")}}],
        resources=resources(spec, _AUTOSCALED_RESOURCES if spec.scaling else _RESOURCES),
        probes=Probes(
            startup=http_probe("/livez", period=1, timeout=5, failures=60),
            liveness=http_probe("/livez", period=10, timeout=10, failures=6),
            readiness=http_probe("/livez", period=5, timeout=10, failures=3),
        ),
        pre_stop=SLEEP_BEFORE_STOP,
        mounts=(
            model_list.MOUNT,
            *(({"name": "api-keys", "mountPath": KEYS_PATH, "readOnly": True},) if spec.api_keys else ()),
            *ca_mounts(pipeline),
        ),
    )
    if keys := list(api_keys(pipeline)):
        pod = {**pod, "env": [*keys, *pod.get("env", [])]}
    return deployment(
        pipeline,
        "bridge",
        template(
            pipeline,
            "bridge",
            spec,
            settings,
            pod,
            drain=bridge_drain(spec),
            volumes=(_tmp(spec), model_list.volume(pipeline.name), *_volumes(spec), *ca_volumes(pipeline)),
            annotations={SETTINGS_HASH: settings_hash(variables, with_models=model_list.is_read_at_startup(spec))},
        ),
        decisions,
        strategy=SURGE,
        progress_deadline=_PROGRESS_DEADLINE,
    )


def _tmp(spec: Bridge) -> dict[str, Any]:
    mebibytes = math.ceil((spool_bytes(spec) + _OTHER_TMP_BYTES) / 2**20)
    return {"name": "tmp", "emptyDir": {"sizeLimit": quantities.canonical(f"{mebibytes}Mi")}}


def _volumes(spec: Bridge) -> tuple[dict[str, Any], ...]:
    if spec.api_keys is None:
        return ()
    secret = {"secretName": spec.api_keys.secret_name, "defaultMode": _GROUP_READABLE}
    return ({"name": "api-keys", "secret": secret},)
