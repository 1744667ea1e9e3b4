"""What the bridges know of the other parts, when that changes: the new one serves before the old one is given up.

The bridges have the addresses of Whisper and Ollama and the names of the models. While a new address does not answer,
or a new model is not there, they keep what they have; and what bridges of before still call stays until they are gone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechoperator.api import labels
from speechoperator.api.names import object_name
from speechoperator.kube import drift, objects
from speechoperator.kube.objects import Ref

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from speechoperator.kube.objects import Object
    from speechoperator.plan.actions import Apply, Delete

_ADDRESSES = {"whisper": "WHISPER_URL", "ollama": "OLLAMA_URL"}
_BRIDGE = frozenset({"ConfigMap", "Deployment"})
"""The objects that tell the bridges."""


def known(pipeline: str, wanted: Iterable[Object], live: Mapping[Ref, Object]) -> Mapping[str, str]:
    """Return the environment that the bridges have from an older spec, empty where they have that of this one.

    What somebody edited by hand is not what the bridges had: it is repaired.

    Args:
        pipeline: Its name.
        wanted: The objects of the spec as it is.
        live: What is there.
    """
    config = Ref("ConfigMap", object_name(pipeline, "bridge"))
    there = live.get(config)
    new = next(thing for thing in wanted if Ref(thing["kind"], objects.name(thing)) == config)
    applied = (there["metadata"].get("annotations") or {}).get(drift.APPLIED) if there else None
    if there is None or applied == drift.desired_hash(new):
        return {}
    data: Mapping[str, str] = there.get("data") or {}
    return data


def offers(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return the models that the bridges offer, the default first."""
    return tuple(name for name in environment.get("MODELS", "").split(",") if name)


def moves(environment: Mapping[str, str], pipeline: str, wanted: Iterable[Object]) -> frozenset[str]:
    """Return the parts whose address differs from the one that the bridges have."""
    config = Ref("ConfigMap", object_name(pipeline, "bridge"))
    new = next(thing["data"] for thing in wanted if Ref(thing["kind"], objects.name(thing)) == config)
    return frozenset(
        part for part, name in _ADDRESSES.items() if name in environment and environment[name] != new.get(name)
    )


def without_bridge(apply: Iterable[Apply], pipeline: str) -> tuple[Apply, ...]:
    """Return the writes without those that would tell the bridges a new address."""
    name = object_name(pipeline, "bridge")
    return tuple(one for one in apply if not (one.object["kind"] in _BRIDGE and objects.name(one.object) == name))


def without_called(delete: Iterable[Delete], live: Mapping[Ref, Object]) -> tuple[Delete, ...]:
    """Return the deletions without those of a part that bridges of before may still call."""
    return tuple(one for one in delete if labels.component_of(live[one.ref]) not in _ADDRESSES)
