"""NetworkPolicies: which pods may connect to a component's pods."""

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
"""The label that the API server sets on each namespace."""


def serving_policy(pipeline: SpeechPipeline, component: Component, settings: Settings) -> Object:
    """Allow only the pipeline's bridge and the operator: Whisper and Ollama do not authenticate clients."""
    peers = [
        {"podSelector": {"matchLabels": selector(pipeline.name, "bridge")}},
        {
            "namespaceSelector": {"matchLabels": {_NAMESPACE_NAME: settings.pod_namespace}},
            "podSelector": {"matchLabels": {NAME: MANAGER}},
        },
    ]
    return _policy(pipeline, component, {"from": peers})


def bridge_policy(pipeline: SpeechPipeline) -> Object:
    """Allow all clients, on the bridge's port only."""
    return _policy(pipeline, "bridge", {})


def _policy(pipeline: SpeechPipeline, component: Component, rule: dict[str, Any]) -> Object:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(pipeline, component, object_name(pipeline.name, component)),
        "spec": {
            "podSelector": {"matchLabels": selector(pipeline.name, component)},
            "policyTypes": ["Ingress"],
            "ingress": [{**rule, "ports": [{"port": PORTS[component], "protocol": "TCP"}]}],
        },
    }
