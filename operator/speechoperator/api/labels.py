"""Labels and owner references of the objects of a pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from speechoperator.settings import OPERATOR

if TYPE_CHECKING:
    from speechoperator.api import SpeechPipeline
    from speechoperator.api.names import Component
    from speechoperator.kube.objects import Object


NAME = "app.kubernetes.io/name"
INSTANCE = "app.kubernetes.io/instance"
COMPONENT = "app.kubernetes.io/component"
MANAGED_BY = "app.kubernetes.io/managed-by"
PIPELINE = "speechpipeline.dev/pipeline"
ENGINE = "speechpipeline.dev/engine"
"""On pods of Whisper: what they run, and so which API and which metrics they have."""

APPLICATION = "speechpipeline"
MANAGER = OPERATOR
"""Value of `managed-by` on the objects of pipelines, and of `name` on the operator's own pods."""


def selector(pipeline: str, component: Component) -> dict[str, str]:
    """Return the labels that select the pods of a component. Never extend them: Deployment selectors are immutable."""
    return {NAME: APPLICATION, INSTANCE: pipeline, COMPONENT: component}


def labels(pipeline: str, component: Component) -> dict[str, str]:
    """Return the labels of a component's objects."""
    return {**selector(pipeline, component), MANAGED_BY: MANAGER, PIPELINE: pipeline}


def pod_labels(pipeline: SpeechPipeline, component: Component) -> dict[str, str]:
    """Return the labels of a component's pods."""
    engine: dict[str, str] = {ENGINE: pipeline.spec.whisper.engine} if component == "whisper" else {}
    return {**labels(pipeline.name, component), **engine}


def metadata(
    pipeline: SpeechPipeline,
    component: Component,
    name: str,
    annotations: dict[str, str] | None = None,
    *,
    owned: bool = True,
) -> dict[str, Any]:
    """Return the metadata of an object.

    Args:
        pipeline: The pipeline that the object belongs to.
        component: The component that the object belongs to.
        name: The name of the object.
        annotations: The annotations of the object, if any; they override those that all objects inherit.
        owned: Whether the object is garbage-collected with the pipeline.
    """
    inherited = pipeline.spec.inherited_metadata
    merged = {**inherited.annotations, **(annotations or {})}
    return {
        "name": name,
        "namespace": pipeline.namespace,
        "labels": {**inherited.labels, **labels(pipeline.name, component)},
        **({"annotations": merged} if merged else {}),
        **({"ownerReferences": [owner(pipeline)]} if owned and pipeline.metadata.uid else {}),
    }


def owner(pipeline: SpeechPipeline) -> dict[str, Any]:
    """Return the ownerReference to the pipeline.

    It does not block the deletion of the pipeline, which would require permission to update
    `speechpipelines/finalizers`.
    """
    return {
        "apiVersion": pipeline.api_version,
        "kind": pipeline.kind,
        "name": pipeline.name,
        "uid": pipeline.metadata.uid,
        "controller": True,
        "blockOwnerDeletion": False,
    }


def component_of(thing: Object) -> str:
    """Return the component that an object belongs to; empty without the label."""
    found: str = (thing["metadata"].get("labels") or {}).get(COMPONENT, "")
    return found
