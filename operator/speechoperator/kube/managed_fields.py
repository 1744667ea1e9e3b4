"""Who wrote a field: `metadata.managedFields`, in which the API server keeps the owners of every field.

https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from speechoperator.kube.objects import Object

_STEP = re.compile(r"\[(?P<item>[^\]]*)\]|(?P<field>[^.\[\]]+)")
_FIELD, _ITEM, _VALUE = "f:", "k:", "v:"


def only_about(fields: Object, path: str) -> list[dict[str, Any]]:
    """Return the entries of managed fields that own a field, each reduced to this field.

    Args:
        fields: The metadata of an object, with its managed fields.
        path: The field: "spec.replicas".
    """
    steps = path.split(".")
    found = []
    for entry in fields.get("managedFields") or ():
        if _depth(entry.get("fieldsV1") or {}, steps) == len(steps):
            owned: dict[str, Any] = {}
            for step in reversed(steps):
                owned = {f"{_FIELD}{step}": owned}
            found.append({**entry, "fieldsV1": owned})
    return found


def owners_of(live: Object, path: str) -> tuple[str, ...]:
    """Return the field managers that own a field, the latest first; () if they are unknown.

    Args:
        live: The object, with its managed fields.
        path: The field: "spec.replicas".
    """
    entries = sorted(only_about(live["metadata"], path), key=lambda entry: str(entry.get("time", "")), reverse=True)
    return tuple(dict.fromkeys(_manager(entry) for entry in entries))


def writer_of(live: Object, path: str, own: str) -> str:
    """Return the field manager, other than `own`, that owns a field or what is around it; "" if there is none.

    Args:
        live: The object as the API server sent it, with its managed fields.
        path: The field, as `drift.differs` names it: "spec.template.spec.containers[whisper].image".
        own: The field manager that does not count.
    """
    steps = [match["item"] or match["field"] for match in _STEP.finditer(path)]
    best, found = (0, ""), ""
    for entry in live["metadata"].get("managedFields") or ():
        manager = str(entry.get("manager", ""))
        rank = (_depth(entry.get("fieldsV1") or {}, steps), str(entry.get("time", "")))
        if manager != own and rank[0] and rank >= best:
            best, found = rank, _manager(entry)
    return found


def _manager(entry: Object) -> str:
    manager, subresource = str(entry.get("manager", "")), entry.get("subresource")
    return f"{manager} (subresource {subresource})" if subresource else manager


def _depth(fields: Any, steps: list[str]) -> int:
    """Return how many steps of a path a set of fields contains; 0 unless the first two are."""
    depth = 0
    for step in steps:
        inner = next((value for key, value in fields.items() if _is_step(key, step)), None)
        if inner is None:
            break
        fields, depth = inner, depth + 1
    return depth if depth >= min(len(steps), 2) else 0


def _is_step(key: str, step: str) -> bool:
    if key == f"{_FIELD}{step}":
        return True
    if not key.startswith((_ITEM, _VALUE)):
        return False
    value = json.loads(key[len(_ITEM) :])
    return step in map(str, value.values()) if isinstance(value, dict) else step == str(value)
