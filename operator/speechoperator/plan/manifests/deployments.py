"""Deployments: the replicas of a component, and how a rollout replaces them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from speechoperator.api.labels import metadata, selector
from speechoperator.api.names import object_name

if TYPE_CHECKING:
    from speechoperator.api import ServingSpec, SpeechPipeline
    from speechoperator.api.names import Component
    from speechoperator.kube.objects import Object
    from speechoperator.plan.decisions import Decisions

_REVISION_HISTORY = 2
"""Old ReplicaSets to keep, for inspection; a rollback is a change of the pipeline."""

SURGE = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
REPLACE_IN_PLACE = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}


def deployment(
    pipeline: SpeechPipeline,
    component: Component,
    template: dict[str, Any],
    decisions: Decisions,
    *,
    strategy: dict[str, Any],
    progress_deadline: int,
) -> Object:
    """Return the Deployment of a component.

    Args:
        pipeline: The pipeline.
        component: The component.
        template: The pod template.
        decisions: Contains the number of replicas.
        strategy: The rollout strategy.
        progress_deadline: Seconds until a rollout without progress counts as failed.
    """
    replicas = decisions.replicas[component].target
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(pipeline, component, object_name(pipeline.name, component)),
        "spec": {
            **({} if replicas is None else {"replicas": replicas}),
            "revisionHistoryLimit": _REVISION_HISTORY,
            "progressDeadlineSeconds": progress_deadline,
            "selector": {"matchLabels": selector(pipeline.name, component)},
            "strategy": strategy,
            "template": template,
        },
    }


def serving_strategy(spec: ServingSpec) -> dict[str, Any]:
    """Return the rollout strategy of Whisper or Ollama.

    A new pod that needs the GPU or the volume of a pod that serves would stay pending forever, so that pod is ended
    first. It is never the strategy `Recreate`: with several active ReplicaSets, Kubernetes carries out neither a change
    of the replicas nor the rollout (docs/decisions/0027).
    """
    alone = spec.scaling.maximum == 1
    in_place = spec.gpus or spec.storage.single_node or (alone and spec.storage.existing_claim)
    return REPLACE_IN_PLACE if in_place else SURGE
