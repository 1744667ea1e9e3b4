"""The number of replicas in the Deployments of Whisper and Ollama, which the scaler writes by itself.

The operator's own apply leaves `spec.replicas` out, except where the API server would put its default of 1 in: in a
Deployment that is created, and while the operator alone owns the field.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechoperator.api import labels
from speechoperator.kube import objects
from speechoperator.kube.objects import Ref
from speechoperator.plan.actions import Apply

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from speechoperator.kube.objects import Object

SCALED = frozenset({"whisper", "ollama"})
"""Components whose replicas the scaler writes."""


def left_out(manifests: Iterable[Object]) -> tuple[Object, ...]:
    """Return the manifests without the replicas that are the scaler's."""
    return tuple(
        {**manifest, "spec": {name: value for name, value in manifest["spec"].items() if name != "replicas"}}
        if _is_scaled(manifest)
        else manifest
        for manifest in manifests
    )


def with_initial(apply: Iterable[Apply], live: Mapping[Ref, Object], initial: Mapping[str, int]) -> tuple[Apply, ...]:
    """Return the writes with the replicas of Deployments that do not exist yet.

    Args:
        apply: The writes; the replicas do not count in their hash.
        live: The existing objects.
        initial: Replicas of the new Deployments, by component.
    """
    return tuple(
        _with_replicas(one, initial[labels.component_of(one.object)])
        if _is_scaled(one.object) and Ref(one.object["kind"], objects.name(one.object)) not in live
        else one
        for one in apply
    )


def _is_scaled(manifest: Object) -> bool:
    return manifest["kind"] == "Deployment" and labels.component_of(manifest) in SCALED


def _with_replicas(apply: Apply, replicas: int) -> Apply:
    manifest = apply.object
    return Apply({**manifest, "spec": {**manifest["spec"], "replicas": replicas}}, apply.reason)
