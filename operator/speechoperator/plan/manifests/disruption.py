"""PodDisruptionBudgets: draining nodes evicts one pod of a component at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechoperator.api.labels import metadata, selector
from speechoperator.api.names import object_name

if TYPE_CHECKING:
    from speechoperator.api import SpeechPipeline
    from speechoperator.api.names import Component
    from speechoperator.kube.objects import Object


def disruption_budget(pipeline: SpeechPipeline, component: Component) -> Object:
    """Return the PodDisruptionBudget of a component; unready pods never block a drain."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata(pipeline, component, object_name(pipeline.name, component)),
        "spec": {
            "maxUnavailable": 1,
            "selector": {"matchLabels": selector(pipeline.name, component)},
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    }
