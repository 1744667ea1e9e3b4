"""PodDisruptionBudgets: draining nodes takes one pod of a part at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechoperator.resources.labels import metadata, selector
from speechoperator.resources.names import named

if TYPE_CHECKING:
    from speechoperator.models import SpeechPipeline
    from speechoperator.observed import Object
    from speechoperator.resources.names import Component


def budget(pipeline: SpeechPipeline, component: Component) -> Object:
    """Return a part's budget; pods that are not ready anyway never hold up a drain."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata(pipeline, component, named(pipeline.name, component)),
        "spec": {
            "maxUnavailable": 1,
            "selector": {"matchLabels": selector(pipeline.name, component)},
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    }
