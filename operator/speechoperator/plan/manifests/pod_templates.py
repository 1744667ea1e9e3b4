"""Pod templates: placement, security and termination, common to all components."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from speechoperator.api.labels import pod_labels
from speechoperator.api.names import object_name
from speechoperator.kube.merge import merge
from speechoperator.plan.manifests.placement import placement, spread
from speechoperator.plan.manifests.scraping import scrape_annotations

if TYPE_CHECKING:
    from speechoperator.api import ComponentSpec, Gpu, SpeechPipeline
    from speechoperator.api.names import Component
    from speechoperator.settings import Settings

USER_ID = 10001
"""User and group of all processes, and group of the files in volumes."""

PRE_STOP_SECONDS = 5
"""Between the deletion of a pod and SIGTERM: until clients no longer resolve its address."""

SLEEP_BEFORE_STOP: dict[str, Any] = {"sleep": {"seconds": PRE_STOP_SECONDS}}

_EVICTABLE = "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes"
"""Without it, Cluster Autoscaler removes no node with pods that have an emptyDir: it could hold data that is needed."""

_SHUTDOWN_SECONDS = 10
"""For the shutdown itself, after all requests have finished or timed out."""


def template(
    pipeline: SpeechPipeline,
    component: Component,
    spec: ComponentSpec,
    settings: Settings,
    container: dict[str, Any],
    *,
    drain: int,
    volumes: tuple[dict[str, Any], ...] = (),
    annotations: dict[str, str] | None = None,
    gpu: Gpu | None = None,
    **fields: Any,
) -> dict[str, Any]:
    """Return the pod template of a Deployment, with the `podTemplate` of the spec merged over it.

    Without that, it meets the restricted Pod Security Standard.

    Args:
        pipeline: The pipeline.
        component: The component.
        spec: The spec of the component.
        settings: The operator's settings.
        container: The only container.
        drain: Seconds for requests in flight when the pod is deleted.
        volumes: Volumes besides `tmp`, the one at /tmp; one of that name replaces it.
        annotations: Annotations of the operator, which override those in the spec.
        gpu: The GPUs of the component.
        fields: Further fields of the pod's spec.
    """
    by_name = {"tmp": {"name": "tmp", "emptyDir": {}}, **{volume["name"]: volume for volume in volumes}}
    manifest = {
        "metadata": {"annotations": dict(spec.pod_annotations)},
        "spec": {
            "serviceAccountName": object_name(pipeline.name, component),
            "automountServiceAccountToken": False,
            # A Service named `server` in the namespace would set SERVER_PORT=tcp://..., which is a setting.
            "enableServiceLinks": False,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": USER_ID,
                "runAsGroup": USER_ID,
                "fsGroup": USER_ID,
                "fsGroupChangePolicy": "OnRootMismatch",  # else every start walks all model files
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "terminationGracePeriodSeconds": PRE_STOP_SECONDS + drain + _SHUTDOWN_SECONDS,
            "containers": [container],
            "volumes": list(by_name.values()),
            **fields,
            "topologySpreadConstraints": spread(pipeline, component),
            **placement(spec, settings, gpu),
        },
    }
    merged = merge(manifest, spec.pod_template.manifest())
    defaults = scrape_annotations(pipeline, component, settings)
    return {"metadata": _metadata(pipeline, component, merged, defaults, annotations or {}), "spec": merged["spec"]}


def _metadata(
    pipeline: SpeechPipeline,
    component: Component,
    merged: dict[str, Any],
    defaults: dict[str, str],
    own: dict[str, str],
) -> dict[str, Any]:
    """Return the metadata of the pods.

    Args:
        pipeline: The pipeline.
        component: The component.
        merged: The pod template with the metadata from the spec.
        defaults: Annotations of the operator, which those in the spec override.
        own: Annotations of the operator, which override those in the spec.
    """
    inherited, given = pipeline.spec.inherited_metadata, merged["metadata"]
    local = [volume["name"] for volume in merged["spec"].get("volumes", ()) if "emptyDir" in volume]
    evictable = {_EVICTABLE: ",".join(local)} if local else {}
    annotations = {**evictable, **defaults, **inherited.annotations, **given.get("annotations", {}), **own}
    return {
        "labels": {**inherited.labels, **given.get("labels", {}), **pod_labels(pipeline, component)},
        **({"annotations": annotations} if annotations else {}),
    }
