"""What the operator knows of the cluster: every pipeline and every object with the operator's label, by pipeline.

Watch events, lists and the responses to the operator's own writes feed it, in any order: of two states of an object the
one with the newer resourceVersion counts
(they are ordered: https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions).
So an own write is not a change when its watch event arrives.

Deleted objects do not return. A list that was under way, or a late response, would bring them back; so a deletion is
remembered until a later list is complete, and what a complete list did not contain is accepted only in a newer state.

Objects are kept as compressed JSON; every reader gets its own copy.
"""

from __future__ import annotations

from sys import intern
from typing import TYPE_CHECKING, NamedTuple

from speechoperator.api import kinds, labels
from speechoperator.api.names import REPLICAS
from speechoperator.compressed_json import CompressedJson
from speechoperator.kube import managed_fields
from speechoperator.kube.kinds import POD
from speechoperator.kube.objects import Key, Ref

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from speechoperator.kube.errors import ApiError
    from speechoperator.kube.kinds import Kind
    from speechoperator.kube.objects import Json, Object

_PIPELINE = kinds.PIPELINE.name
_SCALED = frozenset({"Deployment"})
"""Kinds whose field for the number of replicas has several writers: who they are is kept of the managed fields."""
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_READ_OF_PODS = frozenset({"initContainers", "nodeName", "volumes"})
"""Fields of the spec of pods that are kept: the others, three quarters of a pod, are those of its Deployment."""


class Place(NamedTuple):
    """Where an object is."""

    kind: str
    namespace: str
    name: str


class Scope(NamedTuple):
    """What one list covers: a kind in one namespace, or in all of them ("")."""

    kind: str
    namespace: str


class _Entry(NamedTuple):
    key: Key
    version: int
    uid: str
    packed: bytes


class _Tombstone(NamedTuple):
    """A deletion: outdated are states up to its version and, if the version of the deletion is unknown, of its uid."""

    version: int
    uid: str = ""


class Store:
    """Not thread-safe. No method blocks."""

    def __init__(self) -> None:
        self._entries: dict[Place, _Entry] = {}
        self._owned: dict[Key, dict[Ref, Place]] = {}
        self._listed: dict[Scope, int] = {}
        self._tombstones: dict[Place, _Tombstone] = {}
        self._compressed = CompressedJson()
        self.unreadable: dict[Scope, ApiError] = {}
        """What could not be listed, and why. What is known of it may be outdated, or nothing."""

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
        """Keep an object, unless this or a newer state is known, or its deletion.

        Returns:
            Its pipeline, and the one before if it has moved; nothing if the object is not new.
        """
        place = place_of(body)
        if place not in self._entries and _version(body) <= self._last_list(place.kind, place.namespace):
            return set()  # the last list did not contain it
        return self.put_listed(body, frozenset())

    def put_listed(self, body: Json, outdated: Collection[Place]) -> set[Key]:
        """Keep an object of a list, as `put` does. Used by `Listing`.

        Args:
            body: The object.
            outdated: The places of deletions that the list is newer than: they do not count.
        """
        place, key = place_of(body), key_of(body)
        known = self._entries.get(place)
        if known.version >= _version(body) if known else (place not in outdated and self._is_deleted(place, body)):
            return set()
        self._tombstones.pop(place, None)
        moved = {self._drop(place)} if known and known.key != key else set()
        if key is None:
            return moved
        meta = body["metadata"]
        if owners := managed_fields.only_about(meta, REPLICAS) if place.kind in _SCALED else []:
            meta["managedFields"] = owners
        else:
            meta.pop("managedFields", None)
        meta.get("annotations", {}).pop(_LAST_APPLIED, None)
        if place.kind == POD.name:
            body["spec"] = {name: value for name, value in (body.get("spec") or {}).items() if name in _READ_OF_PODS}
        self._entries[place] = _Entry(key, _version(body), meta["uid"], self._compressed.pack(place.kind, body))
        self._owned.setdefault(key, {})[Ref(place.kind, place.name)] = place
        return moved | {key}

    def remove(self, body: Object) -> set[Key]:
        """Remove an object that was deleted, or lost the operator's label: its watch says DELETED of both.

        The event has the object's last version, so later versions count even with the same uid: the label is back.

        Returns:
            Its pipeline; nothing if it is unknown or was recreated since then.
        """
        place = place_of(body)
        known = self._entries.get(place)
        if known and known.version > _version(body):
            return set()
        if known or key_of(body):
            self._tombstones[place] = _Tombstone(_version(body))
        return {self._drop(place)} if known else set()

    def forget(self, kind: Kind, namespace: str, name: str, uid: str) -> None:
        """Remove an object that the API server did not find: no state of it is newer, whatever arrives late."""
        place = Place(kind.name, namespace, name)
        if (known := self._entries.get(place)) and uid in {"", known.uid}:
            self._tombstones[place] = _Tombstone(known.version, known.uid)
            self._drop(place)

    def begin_list(self, scope: Scope, version: int) -> set[Key]:
        """Note the resourceVersion of a list; return the pipelines that change by that alone. Used by `Listing`."""
        changed: set[Key] = set()
        if version < self._listed.get(scope, 0):
            changed = {self._drop(place) for place in self._places(scope)}
            self._listed[scope] = version
            for place in self.tombstones(scope):
                del self._tombstones[place]
        return changed

    def end_list(self, scope: Scope, version: int, found: Collection[Place], tombstones: Collection[Place]) -> set[Key]:
        """Remove what a complete list did not contain; return the pipelines that this changes. Used by `Listing`.

        Args:
            scope: What was listed.
            version: The list's resourceVersion.
            found: The places of the objects in it.
            tombstones: The places of the deletions that were known before it began.
        """
        self._listed[scope] = version
        for place in tombstones:
            tombstone = self._tombstones.get(place)
            if tombstone and tombstone.version <= version:
                del self._tombstones[place]
        gone = [place for place in self._places(scope) if place not in found]
        return {self._drop(place) for place in gone if self._entries[place].version <= version}

    def tombstones(self, scope: Scope) -> frozenset[Place]:
        """Return the places of the deletions in a scope that are remembered."""
        return frozenset(place for place in self._tombstones if _covers(scope, place))

    def listed(self, kind: Kind, namespace: str) -> bool:
        """Return whether a kind has been listed completely at least once, where a namespace is covered."""
        return self._last_list(kind.name, namespace) >= 0

    def unreadable_in(self, namespace: str) -> dict[str, ApiError]:
        """Return the kinds that could not be listed in a namespace, and why."""
        return {scope.kind: error for scope, error in self.unreadable.items() if scope.namespace in {"", namespace}}

    def pipelines(self, namespace: str = "") -> Iterator[Key]:
        """Yield the pipelines of a namespace, "" for all of them."""
        scope = Scope(_PIPELINE, namespace)
        return (known.key for place, known in self._entries.items() if _covers(scope, place))

    def versions(self) -> Iterator[tuple[Key, int]]:
        """Yield all pipelines, each with its resourceVersion: it differs if anything of the pipeline does."""
        return ((known.key, known.version) for place, known in self._entries.items() if place.kind == _PIPELINE)

    def pipeline(self, key: Key) -> Json | None:
        """Return a pipeline as the API server sent it, None if there is none."""
        place = Place(_PIPELINE, *key)
        return self._read(place) if place in self._entries else None

    def owner(self, kind: Kind, namespace: str, name: str) -> Key | None:
        """Return the pipeline that an object belongs to, None if it is unknown."""
        known = self._entries.get(Place(kind.name, namespace, name))
        return known.key if known else None

    def has(self, key: Key, ref: Ref) -> bool:
        """Return whether a pipeline has an object."""
        return ref in self._owned.get(key, {})

    def object(self, key: Key, ref: Ref) -> Object | None:
        """Return an object of a pipeline, None if it has none of this name."""
        place = self._owned.get(key, {}).get(ref)
        return self._read(place) if place else None

    def objects(self, key: Key) -> dict[Ref, Object]:
        """Return the objects of a pipeline, without its pods."""
        others = {_PIPELINE, POD.name}
        return {ref: self._read(place) for ref, place in self._owned.get(key, {}).items() if ref.kind not in others}

    def pods(self, key: Key) -> tuple[Object, ...]:
        """Return the pods of a pipeline, by name."""
        owned = self._owned.get(key, {})
        return tuple(self._read(owned[ref]) for ref in sorted(owned) if ref.kind == POD.name)

    def _read(self, place: Place) -> Json:
        found: Json = self._compressed.unpack(place.kind, self._entries[place].packed)
        return found

    def _places(self, scope: Scope) -> list[Place]:
        return [place for place in self._entries if _covers(scope, place)]

    def _last_list(self, kind: str, namespace: str) -> int:
        """Return the resourceVersion of the last complete list that covers a namespace, -1 before the first one."""
        return max(self._listed.get(Scope(kind, namespace), -1), self._listed.get(Scope(kind, ""), -1))

    def _is_deleted(self, place: Place, body: Object) -> bool:
        """Return whether an unknown object is an outdated state of one that has been deleted."""
        tombstone = self._tombstones.get(place)
        if tombstone is None:
            return False
        return tombstone.version >= _version(body) or tombstone.uid == body["metadata"]["uid"]

    def _drop(self, place: Place) -> Key:
        key = self._entries.pop(place).key
        owned = self._owned[key]
        del owned[Ref(place.kind, place.name)]
        if not owned:
            del self._owned[key]
        return key


def key_of(body: Object) -> Key | None:
    """Return the pipeline that an object belongs to, by its label; a pipeline belongs to itself."""
    meta = body["metadata"]
    own = meta["name"] if body["kind"] == _PIPELINE else None
    name = own or (meta.get("labels") or {}).get(labels.PIPELINE)
    return Key(intern(meta["namespace"]), intern(name)) if name else None


def place_of(body: Object) -> Place:
    """Return where an object is. The same names are the same strings, as every object has three of them."""
    meta = body["metadata"]
    return Place(intern(body["kind"]), intern(meta["namespace"]), intern(meta["name"]))


def _covers(scope: Scope, place: Place) -> bool:
    return place.kind == scope.kind and scope.namespace in {"", place.namespace}


def _version(body: Object) -> int:
    return int(body["metadata"].get("resourceVersion") or 0)
