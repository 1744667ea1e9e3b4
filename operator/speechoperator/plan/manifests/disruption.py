"""PodDisruptionBudgets: draining nodes takes one pod of a part at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechoperator.api.labels import metadata, selector
from speechoperator.api.names import object_name

if TYPE_CHECKING:
    from speechoperator.api import SpeechPipeline
    from speechoperator.api.names import Component
    from speechoperator.kube.objects import Object


def budget(pipeline: SpeechPipeline, component: Component) -> Object:
    """Return a part's budget; pods that are not ready anyway never hold up a drain."""
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
