"""The bridge's pods."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from speechoperator.api.labels import selector
from speechoperator.api.names import SETTINGS_HASH, object_name
from speechoperator.plan.manifests.bridge_config import KEYS_PATH, settings_hash
from speechoperator.plan.manifests.containers import Amounts, amounts, container
from speechoperator.plan.manifests.deployments import NEW_ONE_FIRST, deployment
from speechoperator.plan.manifests.pod_templates import SLEEP_BEFORE_STOP, template
from speechoperator.plan.manifests.probes import Probes, over_http

if TYPE_CHECKING:
    from collections.abc import Sequence

    from speechoperator.api import Bridge, SpeechPipeline
    from speechoperator.kube.objects import Object
    from speechoperator.settings import Settings

_DEADLINE = 600
_GROUP_MAY_READ = 0o440
_LIMITS = {"memory": "1Gi"}
_REQUESTS: Amounts = {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": _LIMITS}
_SCALED_REQUESTS: Amounts = {"requests": {"cpu": "500m", "memory": "128Mi"}, "limits": _LIMITS}
"""The autoscaler measures CPU against the request: of 100m, one request in flight would be too much already."""


def bridge(pipeline: SpeechPipeline, settings: Settings, models: Sequence[str]) -> Object:
    """Return the bridge's Deployment; see `config.config` for the models."""
    part = pipeline.spec.bridge
    # /livez, not /readyz, which tells of Whisper and Ollama as well: while these are away, requests wait in the bridge.
    pod = container(
        "bridge",
        part,
        image=settings.bridge_image,
        env={},
        envFrom=[{"configMapRef": {"name": object_name(pipeline.name, "bridge")}}],
        resources=amounts(part, _SCALED_REQUESTS if part.scaling else _REQUESTS),
        probes=Probes(
            startup=over_http("/livez", period=1, timeout=5, failures=60),
            liveness=over_http("/livez", period=10, timeout=10, failures=6),
            readiness=over_http("/livez", period=5, timeout=10, failures=3),
        ),
        pre_stop=SLEEP_BEFORE_STOP,
        mounts=({"name": "api-keys", "mountPath": KEYS_PATH, "readOnly": True},) if part.api_keys else (),
    )
    return deployment(
        pipeline,
        "bridge",
        template(
            pipeline,
            "bridge",
            part,
            settings,
            pod,
            drain=math.ceil(part.request_timeout_seconds),
            volumes=_volumes(part),
            annotations={SETTINGS_HASH: settings_hash(pipeline, models)},
            topologySpreadConstraints=_spread(pipeline),
        ),
        replicas=_replicas(pipeline),
        strategy=NEW_ONE_FIRST,
        deadline=_DEADLINE,
    )


def _replicas(pipeline: SpeechPipeline) -> int | None:
    part = pipeline.spec.bridge
    if pipeline.spec.suspend:
        return 0
    return None if part.scaling else part.replicas


def _volumes(part: Bridge) -> tuple[dict[str, Any], ...]:
    if part.api_keys is None:
        return ()
    secret = {"secretName": part.api_keys.secret_name, "defaultMode": _GROUP_MAY_READ}
    return ({"name": "api-keys", "secret": secret},)


def _spread(pipeline: SpeechPipeline) -> list[dict[str, Any]]:
    """Ask for different nodes and zones, where there are any."""
    return [
        {
            "maxSkew": 1,
            "topologyKey": key,
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": selector(pipeline.name, "bridge")},
        }
        for key in ("kubernetes.io/hostname", "topology.kubernetes.io/zone")
    ]
