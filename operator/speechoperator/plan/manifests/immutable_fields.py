"""Fields of existing objects that cannot be changed, or must not: the manifest adopts their current value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechoperator.api import labels
from speechoperator.api.names import REPLICAS
from speechoperator.kube import managed_fields, quantities
from speechoperator.settings import OPERATOR

if TYPE_CHECKING:
    from speechoperator.kube.objects import Object


def adopt_immutable_fields(desired: Object, live: Object) -> Object:
    """Return the manifest to apply to an existing object; most are applied unchanged.

    Args:
        desired: The manifest. Stamp it first: its hash must cover the desired state, not the live one.
        live: The object in the cluster.
    """
    if desired["kind"] == "PersistentVolumeClaim":
        return _pvc(desired, live)
    if desired["kind"] == "Deployment" and "replicas" not in desired["spec"]:
        return _autoscaled(desired, live) if labels.component_of(desired) == "bridge" else _scaled(desired, live)
    return desired


def _pvc(desired: Object, live: Object) -> Object:
    """Avoid changes that the API server would reject every time.

    Class and access modes of a PVC are immutable, its size can only grow, and only once it is bound. A retained PVC may
    be reused by a pipeline with another cache spec; one that was expanded by hand keeps its size, and so does one whose
    pipeline takes its size back (`conditions.pvcs.kept_size`).
    """
    spec, current = desired["spec"], live["spec"]
    kept = {key: current[key] for key in ("accessModes", "storageClassName") if key in current}
    sizes = [one["resources"]["requests"]["storage"] for one in (current, spec)]
    bound = live.get("status", {}).get("phase") == "Bound"
    storage = max(sizes, key=quantities.value) if bound else sizes[0]
    return {**desired, "spec": {**spec, **kept, "resources": {"requests": {"storage": storage}}}}


def _scaled(desired: Object, live: Object) -> Object:
    """Keep the number of replicas while the operator alone owns the field.

    A field that its only owner no longer applies is removed: the API server would put its default of 1 in. Once the
    scaler, or another autoscaler, has written the number, it is left out.
    """
    if managed_fields.owners_of(live, REPLICAS) != (OPERATOR,):
        return desired
    return {**desired, "spec": {**desired["spec"], "replicas": live["spec"].get("replicas", 1)}}


def _autoscaled(desired: Object, live: Object) -> Object:
    """Keep the number of replicas that the HorizontalPodAutoscaler has set, or will find.

    If the operator applied a number before and now omits it, the field falls back to 1 until the next scaling. After
    suspension, at 0, that is desired: a HorizontalPodAutoscaler does not scale from 0.
    """
    replicas = live["spec"].get("replicas", 0)
    return {**desired, "spec": {**desired["spec"], "replicas": replicas}} if replicas else desired
