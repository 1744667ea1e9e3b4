"""What the operator knows of the cluster: every pipeline and every object with the operator's label, by pipeline.

Watch events, lists and the responses to the operator's own writes feed it, in any order: of two states of an object the
one with the newer resourceVersion counts
(they are ordered: https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions).
So an own write is not a change when its watch event arrives.

Objects are kept as JSON text, which takes a fifth of the memory of Python objects; every reader gets its own copy.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from speechoperator.api import kinds, labels
from speechoperator.kube.kinds import POD
from speechoperator.kube.objects import Key, Ref

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from speechoperator.kube.errors import ApiError
    from speechoperator.kube.kinds import Kind
    from speechoperator.kube.objects import Json, Object

_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


class _Place(NamedTuple):
    kind: str
    namespace: str
    name: str


class _Entry(NamedTuple):
    key: Key
    version: int
    uid: str
    text: bytes


class Store:
    """Not thread-safe. No method blocks."""

    def __init__(self) -> None:
        self._entries: dict[_Place, _Entry] = {}
        self._owned: dict[Key, dict[Ref, _Place]] = {}
        self._listed: dict[str, int] = {}
        self.unreadable: dict[str, ApiError] = {}
        """Kinds that could not be listed, and why. What is known of them may be outdated, or nothing."""

    def __len__(self) -> int:
        """Return the number of objects."""
        return len(self._entries)

    def observe(self, event: str | None, body: Json) -> set[Key]:
        """Take in a watch event; return the pipelines that it changes.

        Args:
            event: "ADDED", "MODIFIED", "DELETED", or None for objects that existed when the watch began.
            body: The object. It is trimmed in place.
        """
        if event == "DELETED":
            return self.remove(body)
        return self.put(body)

    def put(self, body: Json) -> set[Key]:
        """Keep an object, unless this or a newer state is known.

        Returns:
            Its pipeline, and the one before if it has moved; nothing if the object is not new.
        """
        place, key = _place(body), key_of(body)
        known = self._entries.get(place)
        if known and known.version >= _version(body):
            return set()
        moved = {self._drop(place)} if known and known.key != key else set()
        if key is None:
            return moved
        meta = body["metadata"]
        meta.pop("managedFields", None)
        meta.get("annotations", {}).pop(_LAST_APPLIED, None)
        text = json.dumps(body, separators=(",", ":")).encode()
        self._entries[place] = _Entry(key, _version(body), meta["uid"], text)
        self._owned.setdefault(key, {})[Ref(place.kind, place.name)] = place
        return moved | {key}

    def remove(self, body: Object) -> set[Key]:
        """Remove a deleted object; return its pipeline, nothing if it is unknown or was recreated since then."""
        place = _place(body)
        known = self._entries.get(place)
        if known is None or known.version > _version(body):
            return set()
        return {self._drop(place)}

    def forget(self, kind: Kind, namespace: str, name: str, uid: str) -> None:
        """Remove an object that the API server did not find."""
        place = _Place(kind.name, namespace, name)
        if (known := self._entries.get(place)) and uid in {"", known.uid}:
            self._drop(place)

    def replace(self, kind: Kind, bodies: Iterable[Json], version: str) -> set[Key]:
        """Take in a complete list of a kind; return the pipelines that it changes.

        Args:
            kind: The kind.
            bodies: All objects of it that concern the operator.
            version: The list's resourceVersion. Newer objects stay, unless the list before was newer too: then the
                cluster was restored from a backup, and the list is all there is.
        """
        found: set[_Place] = set()
        changed: set[Key] = set()
        listed = int(version or 0)
        if listed < self._listed.get(kind.name, 0):
            changed = {self._drop(place) for place in list(self._entries) if place.kind == kind.name}
        self._listed[kind.name] = listed
        for body in bodies:
            body.setdefault("kind", kind.name)
            body.setdefault("apiVersion", kind.api_version)
            found.add(_place(body))
            changed |= self.put(body)
        for place, known in list(self._entries.items()):
            if place.kind == kind.name and place not in found and known.version <= listed:
                changed.add(self._drop(place))
        return changed

    def version(self, kind: Kind, namespace: str, name: str) -> str:
        """Return the resourceVersion of an object, "" if it is unknown."""
        known = self._entries.get(_Place(kind.name, namespace, name))
        return str(known.version) if known else ""

    def listed(self, kind: Kind) -> bool:
        """Return whether a kind has been listed completely at least once."""
        return kind.name in self._listed

    def pipelines(self) -> Iterator[Key]:
        """Yield all pipelines."""
        return (known.key for place, known in self._entries.items() if place.kind == kinds.PIPELINE.name)

    def pipeline(self, key: Key) -> Json | None:
        """Return a pipeline as the API server sent it, None if there is none."""
        known = self._entries.get(_Place(kinds.PIPELINE.name, *key))
        return _read(known) if known else None

    def has(self, key: Key, ref: Ref) -> bool:
        """Return whether a pipeline has an object."""
        return ref in self._owned.get(key, {})

    def objects(self, key: Key) -> dict[Ref, Object]:
        """Return the objects of a pipeline, without its pods."""
        others = {kinds.PIPELINE.name, POD.name}
        return {
            ref: _read(self._entries[place])
            for ref, place in self._owned.get(key, {}).items()
            if ref.kind not in others
        }

    def pods(self, key: Key) -> tuple[Object, ...]:
        """Return the pods of a pipeline, by name."""
        owned = self._owned.get(key, {})
        return tuple(_read(self._entries[owned[ref]]) for ref in sorted(owned) if ref.kind == POD.name)

    def _drop(self, place: _Place) -> Key:
        key = self._entries.pop(place).key
        owned = self._owned[key]
        del owned[Ref(place.kind, place.name)]
        if not owned:
            del self._owned[key]
        return key


def key_of(body: Object) -> Key | None:
    """Return the pipeline that an object belongs to, by its label; a pipeline belongs to itself."""
    meta = body["metadata"]
    own = meta["name"] if body["kind"] == kinds.PIPELINE.name else None
    name = own or (meta.get("labels") or {}).get(labels.PIPELINE)
    return Key(meta["namespace"], name) if name else None


def _place(body: Object) -> _Place:
    meta = body["metadata"]
    return _Place(body["kind"], meta["namespace"], meta["name"])


def _version(body: Object) -> int:
    return int(body["metadata"].get("resourceVersion") or 0)


def _read(known: _Entry) -> Json:
    found: Json = json.loads(known.text)
    return found
