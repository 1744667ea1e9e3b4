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


def headless_service(pipeline: SpeechPipeline, component: Component) -> Object:
    """Return the headless Service, whose name resolves to the addresses of the ready pods."""
    return _service(pipeline, component, pods_service(pipeline.name, component), {"clusterIP": "None"})


def _service(pipeline: SpeechPipeline, component: Component, name: str, kind: dict[str, Any]) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(pipeline, component, name),
        "spec": {
            **kind,
            "ipFamilyPolicy": "PreferDualStack",  # one family where the cluster has one
            "selector": selector(pipeline.name, component),
            "ports": [{"name": "http", "port": PORTS[component], "protocol": "TCP", "targetPort": "http"}],
        },
    }
