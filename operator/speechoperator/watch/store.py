"""What the operator knows of the cluster: every pipeline and every object with the operator's label, by pipeline.

Watches, listings and the answers to our own writes all feed it, in any order: of two states of an object the one with
the newer resourceVersion counts (they are ordered: https://kubernetes.io/docs/reference/using-api/api-concepts/).
So what we wrote ourselves is no news when the watch tells of it.

Objects are kept as JSON text, a fifth of the memory of Python's objects; whoever looks gets a copy of their own.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from speechoperator.api import kinds, labels
from speechoperator.kube.kinds import POD
from speechoperator.kube.objects import Key, Ref

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from speechoperator.kube.errors import ApiError
    from speechoperator.kube.kinds import Kind
    from speechoperator.kube.objects import Object

_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


class Place(NamedTuple):
    """Where an object is."""

    kind: str
    namespace: str
    name: str


class _Kept(NamedTuple):
    key: Key
    version: int
    uid: str
    text: bytes


class Store:
    """Use within one event loop. No method waits."""

    def __init__(self) -> None:
        self._kept: dict[Place, _Kept] = {}
        self._owned: dict[Key, dict[Ref, Place]] = {}
        self._listed: dict[str, int] = {}
        self.unreadable: dict[str, ApiError] = {}
        """Kinds that could not be listed, and why. What is known of them may be old, or nothing."""

    def __len__(self) -> int:
        """Return how many objects are kept."""
        return len(self._kept)

    def see(self, event: str | None, body: dict[str, Any]) -> set[Key]:
        """Take in a watch event; the pipelines for which it is news.

        Args:
            event: "ADDED", "MODIFIED", "DELETED", or None for what was there when the watch began.
            body: The object. It is trimmed in place.
        """
        if event == "DELETED":
            return self.remove(body)
        return self.put(body)

    def put(self, body: dict[str, Any]) -> set[Key]:
        """Keep an object; its pipeline (and the one before, if it moved), none when this or a newer state is known."""
        place, key = _place(body), key_of(body)
        known = self._kept.get(place)
        if known and known.version >= _version(body):
            return set()
        moved = {self._drop(place)} if known and known.key != key else set()
        if key is None:
            return moved
        meta = body["metadata"]
        meta.pop("managedFields", None)
        meta.get("annotations", {}).pop(_LAST_APPLIED, None)
        self._kept[place] = _Kept(key, _version(body), meta["uid"], json.dumps(body, separators=(",", ":")).encode())
        self._owned.setdefault(key, {})[Ref(place.kind, place.name)] = place
        return moved | {key}

    def remove(self, body: Object) -> set[Key]:
        """Forget a deleted object; its pipeline, none when it is unknown or was made anew since then."""
        place = _place(body)
        known = self._kept.get(place)
        if known is None or known.version > _version(body):
            return set()
        return {self._drop(place)}

    def lost(self, kind: Kind, namespace: str, name: str, uid: str) -> None:
        """Forget an object of which the API server says that it is not there."""
        place = Place(kind.name, namespace, name)
        if (known := self._kept.get(place)) and uid in {"", known.uid}:
            self._drop(place)

    def replace(self, kind: Kind, bodies: Iterable[dict[str, Any]], version: str) -> set[Key]:
        """Take in a whole listing of a kind; the pipelines for which it has news.

        Args:
            kind: Which kind.
            bodies: All objects of it that concern us.
            version: The listing's resourceVersion. What is known from later stays, unless that of the listing before
                was later too: then the cluster was set back to a backup, and the listing is all there is.
        """
        there: set[Place] = set()
        news: set[Key] = set()
        moment = int(version or 0)
        if moment < self._listed.get(kind.name, 0):
            news = {self._drop(place) for place in list(self._kept) if place.kind == kind.name}
        self._listed[kind.name] = moment
        for body in bodies:
            body.setdefault("kind", kind.name)
            body.setdefault("apiVersion", kind.api_version)
            there.add(_place(body))
            news |= self.put(body)
        for place, known in list(self._kept.items()):
            if place.kind == kind.name and place not in there and known.version <= moment:
                news.add(self._drop(place))
        return news

    def version(self, kind: Kind, namespace: str, name: str) -> str:
        """Return the resourceVersion that is known of an object, "" when none is."""
        known = self._kept.get(Place(kind.name, namespace, name))
        return str(known.version) if known else ""

    def listed(self, kind: Kind) -> bool:
        """Tell whether all of a kind was taken in once."""
        return kind.name in self._listed

    def pipelines(self) -> Iterator[Key]:
        """Yield all pipelines that are there."""
        return (known.key for place, known in self._kept.items() if place.kind == kinds.PIPELINE.name)

    def pipeline(self, key: Key) -> dict[str, Any] | None:
        """Return a pipeline as the API gave it, None when there is none."""
        known = self._kept.get(Place(kinds.PIPELINE.name, *key))
        return _read(known) if known else None

    def objects(self, key: Key) -> dict[Ref, Object]:
        """Return what a pipeline is made of, its pods left out."""
        apart = {kinds.PIPELINE.name, POD.name}
        return {
            ref: _read(self._kept[place]) for ref, place in self._owned.get(key, {}).items() if ref.kind not in apart
        }

    def pods(self, key: Key) -> tuple[Object, ...]:
        """Return a pipeline's pods, by name."""
        owned = self._owned.get(key, {})
        return tuple(_read(self._kept[owned[ref]]) for ref in sorted(owned) if ref.kind == POD.name)

    def _drop(self, place: Place) -> Key:
        key = self._kept.pop(place).key
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


def _place(body: Object) -> Place:
    meta = body["metadata"]
    return Place(body["kind"], meta["namespace"], meta["name"])


def _version(body: Object) -> int:
    return int(body["metadata"].get("resourceVersion") or 0)


def _read(known: _Kept) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(known.text)
    return found
