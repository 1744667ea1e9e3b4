"""Deployments: how many pods of a part there are, and how a new version takes the place of the old one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from speechoperator.api.labels import metadata, selector
from speechoperator.api.names import object_name

if TYPE_CHECKING:
    from speechoperator.api import ServingSpec, SpeechPipeline
    from speechoperator.api.names import Component
    from speechoperator.kube.objects import Object

_OLD_VERSIONS = 2
"""ReplicaSets kept: enough to see what was before; a rollback is a change of the pipeline."""

NEW_ONE_FIRST = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
OLD_ONE_FIRST = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}
ALL_AT_ONCE = {"type": "Recreate"}


def deployment(
    pipeline: SpeechPipeline,
    component: Component,
    template: dict[str, Any],
    *,
    replicas: int | None,
    strategy: dict[str, Any],
    deadline: int,
) -> Object:
    """Return a part's Deployment.

    Args:
        replicas: None leaves the number to the autoscaler.
        deadline: Seconds until a new version that does not get ready is called stuck.
    """
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(pipeline, component, object_name(pipeline.name, component)),
        "spec": {
            **({} if replicas is None else {"replicas": replicas}),
            "revisionHistoryLimit": _OLD_VERSIONS,
            "progressDeadlineSeconds": deadline,
            "selector": {"matchLabels": selector(pipeline.name, component)},
            "strategy": strategy,
            "template": template,
        },
    }


def serving_replicas(pipeline: SpeechPipeline, part: ServingSpec) -> int:
    """Return how many pods of Whisper or Ollama there are to be."""
    return 0 if pipeline.spec.suspend else max(part.scaling.min_replicas, 1)


def serving_strategy(part: ServingSpec) -> dict[str, Any]:
    """Return how Whisper's or Ollama's pods are replaced.

    A new pod that needs the GPU, or the volume, of the one it is to replace would wait for it for ever.
    """
    alone = part.scaling.maximum == 1
    if part.cache.single_node or (alone and (part.gpus or part.cache.existing_claim)):
        return ALL_AT_ONCE
    return OLD_ONE_FIRST if part.gpus else NEW_ONE_FIRST
