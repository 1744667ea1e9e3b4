"""Handover of Whisper and Ollama to a new address: the new one serves before the old one is given up.

The bridges know the addresses of Whisper and Ollama and the names of the models. While a new address does not respond,
they keep their environment; while a new model is not present, they keep their list of models. What old bridge pods
still call is kept until they have terminated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechoperator.api import labels
from speechoperator.api.names import object_name
from speechoperator.kube import drift, objects
from speechoperator.kube.objects import Ref
from speechoperator.plan.models import model_list

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from speechoperator.kube.objects import Object
    from speechoperator.plan.actions import Apply, Delete

_ADDRESSES = {"whisper": "WHISPER_URL", "ollama": "OLLAMA_URL"}
_BRIDGE_KINDS = frozenset({"ConfigMap", "Deployment"})
"""Kinds of the objects that carry the bridges' environment."""


def previous_environment(config_map: Object, live: Mapping[Ref, Object]) -> Mapping[str, str]:
    """Return the environment that the bridges have from an older spec; empty if they have the current one.

    An environment edited by hand does not count as an older one: it is reverted.

    Args:
        config_map: The bridge's ConfigMap according to the spec.
        live: The existing objects.
    """
    found = live.get(Ref("ConfigMap", objects.name(config_map)))
    if found is None or _is_current(found, config_map):
        return {}
    data: Mapping[str, str] = found.get("data") or {}
    return data


def offered_models(config_map: Object, live: Mapping[Ref, Object], environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return the models that the bridges offer from an older spec, the default first; none if their list is current.

    Args:
        config_map: The list of models according to the spec.
        live: The existing objects.
        environment: The environment from an older spec: bridges of an older release have their models from it.
    """
    found = live.get(Ref("ConfigMap", objects.name(config_map)))
    if found is None:
        return tuple(name for name in environment.get("MODELS", "").split(",") if name)
    return () if _is_current(found, config_map) else model_list.names(found)


def moved_components(before: Mapping[str, str], after: Mapping[str, str]) -> frozenset[str]:
    """Return the components whose address differs between two environments of the bridges."""
    return frozenset(
        component for component, name in _ADDRESSES.items() if name in before and before[name] != after.get(name)
    )


def without_bridge(apply: Iterable[Apply], pipeline: str) -> tuple[Apply, ...]:
    """Return the writes without those that would change the bridges' environment or their list of models."""
    bridge = object_name(pipeline, "bridge")
    held = {*(Ref(kind, bridge) for kind in _BRIDGE_KINDS), model_list.ref(pipeline)}
    return tuple(one for one in apply if Ref(one.object["kind"], objects.name(one.object)) not in held)


def without_components_in_use(delete: Iterable[Delete], live: Mapping[Ref, Object]) -> tuple[Delete, ...]:
    """Return the deletions without those of components that old bridge pods may still call."""
    return tuple(one for one in delete if labels.component_of(live[one.ref]) not in _ADDRESSES)


def _is_current(found: Object, wanted: Object) -> bool:
    """Return whether an existing object was written as it is wanted now; edits by hand do not matter."""
    return (found["metadata"].get("annotations") or {}).get(drift.APPLIED) == drift.desired_hash(wanted)
