"""ServiceAccounts: the identity of each component's pods, without permissions and without a token."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechoperator.api.labels import metadata
from speechoperator.api.names import object_name

if TYPE_CHECKING:
    from speechoperator.api import ComponentSpec, SpeechPipeline
    from speechoperator.api.names import Component
    from speechoperator.kube.objects import Object


def service_account(pipeline: SpeechPipeline, component: Component, spec: ComponentSpec) -> Object:
    """Return the ServiceAccount of a component."""
    name = object_name(pipeline.name, component)
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": metadata(pipeline, component, name, spec.service_account_annotations),
        "automountServiceAccountToken": False,
    }
