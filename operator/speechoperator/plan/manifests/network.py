"""NetworkPolicies: who may open a connection to a part's pods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from speechoperator.api.labels import MANAGER, NAME, metadata, selector
from speechoperator.api.names import PORTS, object_name

if TYPE_CHECKING:
    from speechoperator.api import SpeechPipeline
    from speechoperator.api.names import Component
    from speechoperator.kube.objects import Object
    from speechoperator.settings import Settings

_NAMESPACE_NAME = "kubernetes.io/metadata.name"
"""The label that the API server gives each namespace."""


def serving_policy(pipeline: SpeechPipeline, component: Component, settings: Settings) -> Object:
    """Let the pipeline's bridge and the operator in, and nobody else: neither Whisper nor Ollama asks who calls."""
    callers = [
        {"podSelector": {"matchLabels": selector(pipeline.name, "bridge")}},
        {
            "namespaceSelector": {"matchLabels": {_NAMESPACE_NAME: settings.pod_namespace}},
            "podSelector": {"matchLabels": {NAME: MANAGER}},
        },
    ]
    return _policy(pipeline, component, {"from": callers})


def bridge_policy(pipeline: SpeechPipeline) -> Object:
    """Let everybody in, to the bridge's port."""
    return _policy(pipeline, "bridge", {})


def _policy(pipeline: SpeechPipeline, component: Component, callers: dict[str, Any]) -> Object:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(pipeline, component, object_name(pipeline.name, component)),
        "spec": {
            "podSelector": {"matchLabels": selector(pipeline.name, component)},
            "policyTypes": ["Ingress"],
            "ingress": [{**callers, "ports": [{"port": PORTS[component], "protocol": "TCP"}]}],
        },
    }
