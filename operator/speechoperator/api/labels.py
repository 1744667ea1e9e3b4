"""By which labels objects and pods are found, and what belongs to whom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from speechoperator.api import SpeechPipeline
    from speechoperator.api.names import Component
    from speechoperator.kube.objects import Object


NAME = "app.kubernetes.io/name"
INSTANCE = "app.kubernetes.io/instance"
COMPONENT = "app.kubernetes.io/component"
MANAGED_BY = "app.kubernetes.io/managed-by"
PIPELINE = "speechpipeline.dev/pipeline"

APPLICATION = "speechpipeline"
MANAGER = "speechpipeline-operator"
"""The value of `managed-by` on all that the operator makes, and of `name` on the operator's own pods."""


def selector(pipeline: str, component: Component) -> dict[str, str]:
    """Return the labels that select a part's pods; a Deployment's selector cannot be changed, so this is all of it."""
    return {NAME: APPLICATION, INSTANCE: pipeline, COMPONENT: component}


def labels(pipeline: str, component: Component) -> dict[str, str]:
    """Return the labels of a part's objects and pods."""
    return {**selector(pipeline, component), MANAGED_BY: MANAGER, PIPELINE: pipeline}


def metadata(
    pipeline: SpeechPipeline,
    component: Component,
    name: str,
    annotations: dict[str, str] | None = None,
    *,
    owned: bool = True,
) -> dict[str, Any]:
    """Return an object's metadata.

    Args:
        annotations: None where there are none.
        owned: Whether the object goes when the pipeline goes.
    """
    return {
        "name": name,
        "namespace": pipeline.namespace,
        "labels": labels(pipeline.name, component),
        **({"annotations": annotations} if annotations else {}),
        **({"ownerReferences": [owner(pipeline)]} if owned and pipeline.metadata.uid else {}),
    }


def owner(pipeline: SpeechPipeline) -> dict[str, Any]:
    """Return the reference by which the garbage collector finds the pipeline.

    It does not block the pipeline's deletion: that would take the right to update `speechpipelines/finalizers`.
    """
    return {
        "apiVersion": pipeline.api_version,
        "kind": pipeline.kind,
        "name": pipeline.name,
        "uid": pipeline.metadata.uid,
        "controller": True,
        "blockOwnerDeletion": False,
    }


def component_of(pod: Object) -> str:
    """Return the component that an object belongs to, empty if it has no such label."""
    found: str = (pod["metadata"].get("labels") or {}).get(COMPONENT, "")
    return found
