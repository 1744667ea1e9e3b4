"""NetworkPolicies: which pods may connect to a component's pods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from speechoperator.api.labels import MANAGER, NAME, metadata, selector
from speechoperator.api.names import PORTS, object_name
from speechoperator.kube.merge import merge

if TYPE_CHECKING:
    from collections.abc import Iterable

    from speechoperator.api import Peer, SpeechPipeline
    from speechoperator.api.names import Component
    from speechoperator.kube.objects import Object
    from speechoperator.settings import Settings

_NAMESPACE_NAME = "kubernetes.io/metadata.name"
"""The label that the API server sets on each namespace."""


def serving_policy(pipeline: SpeechPipeline, component: Component, settings: Settings) -> Object:
    """Allow the bridge, the operator and readers of metrics: Whisper and Ollama do not authenticate clients."""
    bridge = {"podSelector": {"matchLabels": selector(pipeline.name, "bridge")}}
    metrics = _readers_of_metrics(pipeline, settings)
    return _policy(pipeline, component, {"from": [bridge, _operator(settings), *metrics]})


def bridge_policy(pipeline: SpeechPipeline, settings: Settings) -> Object:
    """Allow all clients, or those of the spec, on the bridge's port only."""
    clients = pipeline.spec.network_policy.bridge_from
    if clients is None:
        return _policy(pipeline, "bridge", {})
    peers = [*_peers(clients), *_readers_of_metrics(pipeline, settings)]
    return _policy(pipeline, "bridge", {"from": [_operator(settings), *peers]})


def _readers_of_metrics(pipeline: SpeechPipeline, settings: Settings) -> list[Any]:
    """Return those of the spec, or else those of all pipelines; a spec may also name none."""
    spec = pipeline.spec.network_policy
    return _peers(spec.metrics_from) if spec.has("metrics_from") else settings.metrics_peers


def _operator(settings: Settings) -> dict[str, Any]:
    return {
        "namespaceSelector": {"matchLabels": {_NAMESPACE_NAME: settings.pod_namespace}},
        "podSelector": {"matchLabels": {NAME: MANAGER}},
    }


def _peers(peers: Iterable[Peer]) -> list[Any]:
    return [merge({}, peer.manifest()) for peer in peers]  # without nulls, which the API server would drop


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
