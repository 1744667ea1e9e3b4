"""What can be asked of an object that is there already, where that is less than what is wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechoperator.kube import quantities

if TYPE_CHECKING:
    from speechoperator.kube.objects import Object


def adopt_immutable_fields(desired: Object, live: Object) -> Object:
    """Return the object as it is to be applied; most are as they are wanted.

    Args:
        desired: The object as wanted. Stamp it before: its hash tells what was wanted, not what was there.
        live: The object as it is.
    """
    if desired["kind"] == "PersistentVolumeClaim":
        return _claim(desired, live)
    if desired["kind"] == "Deployment" and "replicas" not in desired["spec"]:
        return _scaled(desired, live)
    return desired


def _claim(desired: Object, live: Object) -> Object:
    """Ask for nothing that would be refused at every try.

    A claim's class and modes cannot change, its size can only grow, and only once it is bound. One that was retained
    may be found again by a pipeline that says something else; one that a person made larger stays large.
    """
    spec, there = desired["spec"], live["spec"]
    kept = {key: there[key] for key in ("accessModes", "storageClassName") if key in there}
    sizes = [one["resources"]["requests"]["storage"] for one in (there, spec)]
    bound = live.get("status", {}).get("phase") == "Bound"
    storage = max(sizes, key=quantities.value) if bound else sizes[0]
    return {**desired, "spec": {**spec, **kept, "resources": {"requests": {"storage": storage}}}}


def _scaled(desired: Object, live: Object) -> Object:
    """Leave the number of replicas as the autoscaler has it, or will find it.

    A number that the operator applied once and then leaves out goes back to 1 until the autoscaler looks again. After
    a pause, at 0, that is right: an autoscaler does nothing about 0.
    """
    replicas = live["spec"].get("replicas", 0)
    return {**desired, "spec": {**desired["spec"], "replicas": replicas}} if replicas else desired
