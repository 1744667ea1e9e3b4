"""How server-side apply merges lists and maps: lists by merge keys, atomic maps as a whole.

Fields are named "parent.field", without the lists in between. From the OpenAPI of the API server
(`x-kubernetes-list-map-keys`, `x-kubernetes-map-type`), for what the operator and a `podTemplate` write.
https://kubernetes.io/docs/reference/using-api/server-side-apply/#merge-strategy
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_CONTAINER_LISTS: Mapping[str, tuple[str, ...]] = {
    "env": ("name",),
    "ports": ("containerPort", "protocol"),
    "volumeDevices": ("devicePath",),
    "volumeMounts": ("mountPath",),
}

MERGE_KEYS: Mapping[str, tuple[str, ...]] = {
    "metadata.ownerReferences": ("uid",),
    "spec.containers": ("name",),
    "spec.hostAliases": ("ip",),
    "spec.imagePullSecrets": ("name",),
    "spec.initContainers": ("name",),
    "spec.ports": ("port", "protocol"),
    "spec.resourceClaims": ("name",),
    "spec.schedulingGates": ("name",),
    "spec.topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
    "spec.volumes": ("name",),
    "resources.claims": ("name",),
    **{f"containers.{field}": keys for field, keys in _CONTAINER_LISTS.items()},
    **{f"initContainers.{field}": keys for field, keys in _CONTAINER_LISTS.items()},
}
"""Lists whose items are matched by these keys; all others are atomic."""

ATOMIC_MAPS = frozenset(
    {
        "spec.nodeSelector",
        "spec.selector",
        "labelSelector.matchLabels",
        "namespaceSelector.matchLabels",
        "podSelector.matchLabels",
        "selector.matchLabels",
    }
)
"""Maps with one owner: a key that another writer added is a difference."""

_KEY_DEFAULTS = {"protocol": "TCP"}


def identity(item: Mapping[str, Any], keys: tuple[str, ...]) -> tuple[Any, ...]:
    """Return what identifies an item of a list: the values of its merge keys, with the API server's defaults."""
    return tuple(item.get(key, _KEY_DEFAULTS.get(key)) for key in keys)
