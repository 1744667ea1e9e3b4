"""What the pods of all parts have in common: where they run, under which rules, and how long they may take to end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from speechoperator.api.labels import labels
from speechoperator.api.names import named
from speechoperator.plan.manifests.containers import without_nulls

if TYPE_CHECKING:
    from speechoperator.api import Gpu, Part, SpeechPipeline
    from speechoperator.api.names import Component
    from speechoperator.settings import Settings

USER = 10001
"""User and group of all processes, and the group of the volumes' files."""

PRE_STOP_SECONDS = 5
"""Between the decision to stop a pod and the signal: as long as callers may still be told its address."""

SLEEP_BEFORE_STOP: dict[str, Any] = {"sleep": {"seconds": PRE_STOP_SECONDS}}

_SPARE_SECONDS = 10
"""For closing down, once all requests are done or given up."""


def template(
    pipeline: SpeechPipeline,
    component: Component,
    part: Part,
    settings: Settings,
    container: dict[str, Any],
    *,
    drain: int,
    volumes: tuple[dict[str, Any], ...] = (),
    annotations: dict[str, str] | None = None,
    gpu: Gpu | None = None,
    **further: Any,
) -> dict[str, Any]:
    """Return a Deployment's pod template, fit for the restricted Pod Security Standard.

    Args:
        drain: Seconds that requests in flight may take once the pod is to stop.
        volumes: Beside the one at /tmp.
        annotations: Ours, which win over the part's.
        further: More fields of the pod's spec.
    """
    notes = {**part.pod_annotations, **(annotations or {})}
    return {
        "metadata": {"labels": labels(pipeline.name, component), **({"annotations": notes} if notes else {})},
        "spec": {
            "serviceAccountName": named(pipeline.name, component),
            "automountServiceAccountToken": False,
            # Kubernetes would set variables such as WHISPER_PORT=tcp://... for the Services of the namespace.
            "enableServiceLinks": False,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": USER,
                "runAsGroup": USER,
                "fsGroup": USER,
                "fsGroupChangePolicy": "OnRootMismatch",  # else each start walks through all models
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "terminationGracePeriodSeconds": PRE_STOP_SECONDS + drain + _SPARE_SECONDS,
            "containers": [container],
            "volumes": [{"name": "tmp", "emptyDir": {}}, *volumes],
            **further,
            **_placement(part, settings, gpu),
        },
    }


def _placement(part: Part, settings: Settings, gpu: Gpu | None) -> dict[str, Any]:
    """Return where the pods may run, as the part says it."""
    tolerations = [toleration.manifest() for toleration in part.tolerations]
    if gpu is not None and gpu.count:
        # Nodes with GPUs are commonly kept free for those who ask for one, by a taint of the resource's name.
        tolerations.append({"key": gpu.resource_name, "operator": "Exists", "effect": "NoSchedule"})
    secrets = dict.fromkeys((*(secret.name for secret in part.image_pull_secrets), *settings.image_pull_secrets))
    wanted = {
        "imagePullSecrets": [{"name": name} for name in secrets],
        "nodeSelector": part.node_selector,
        "tolerations": tolerations,
        "affinity": without_nulls(part.affinity),
        "runtimeClassName": part.runtime_class_name,
        "priorityClassName": part.priority_class_name,
    }
    return {field: value for field, value in wanted.items() if value}
