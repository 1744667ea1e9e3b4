"""Services: a ClusterIP for each component, and a headless Service for the bridge, which balances by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from speechoperator.api.labels import metadata, selector
from speechoperator.api.names import PORTS, object_name, pods_service

if TYPE_CHECKING:
    from speechoperator.api import SpeechPipeline
    from speechoperator.api.names import Component
    from speechoperator.kube.objects import Object


def service(pipeline: SpeechPipeline, component: Component) -> Object:
    """Return the Service with a ClusterIP."""
    return _service(pipeline, component, object_name(pipeline.name, component), {"type": "ClusterIP"})


def bridge_service(pipeline: SpeechPipeline) -> Object:
    """Return the Service of the bridge, with the type and the annotations in the spec."""
    spec, name = pipeline.spec.bridge.service, object_name(pipeline.name, "bridge")
    return _service(pipeline, "bridge", name, {"type": spec.type}, spec.annotations)


def headless_service(pipeline: SpeechPipeline, component: Component) -> Object:
    """Return the headless Service, whose name resolves to the addresses of the ready pods."""
    return _service(pipeline, component, pods_service(pipeline.name, component), {"clusterIP": "None"})


def _service(
    pipeline: SpeechPipeline,
    component: Component,
    name: str,
    kind: dict[str, Any],
    annotations: dict[str, str] | None = None,
) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(pipeline, component, name, annotations),
        "spec": {
            **kind,
            "ipFamilyPolicy": "PreferDualStack",  # one family where the cluster has one
            "selector": selector(pipeline.name, component),
            "ports": [{"name": "http", "port": PORTS[component], "protocol": "TCP", "targetPort": "http"}],
        },
    }
