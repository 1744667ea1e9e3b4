"""A complete list on its way into the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechoperator.watch.store import Scope, place_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from speechoperator.kube.kinds import Kind
    from speechoperator.kube.objects import Json, Key
    from speechoperator.watch.store import Place, Store


class Listing:
    """A complete list of a kind that is being taken in: no more than one page of it is in memory.

    At most one list of a kind in a namespace is taken in at a time. It must have been requested after this object was
    created, so that it reflects all deletions known by then.

    Args:
        store: The store.
        kind: The kind.
        namespace: The namespace that is listed, "" for all.
    """

    def __init__(self, store: Store, kind: Kind, namespace: str = "") -> None:
        self._store = store
        self._kind = kind
        self._scope = Scope(kind.name, namespace)
        self._version: int | None = None
        self._found: set[Place] = set()
        self._changed: set[Key] = set()
        self._tombstones = store.tombstones(self._scope)

    def page(self, bodies: Iterable[Json], version: str) -> None:
        """Take in a page.

        Args:
            bodies: Its objects.
            version: The list's resourceVersion, the same on all pages. Newer objects stay, unless the list before was
                newer too: then the cluster was restored from a backup, and the list is all there is.
        """
        if self._version is None:
            self._version = int(version or 0)
            self._changed |= self._store.begin_list(self._scope, self._version)
        for body in bodies:
            body.setdefault("kind", self._kind.name)
            body.setdefault("apiVersion", self._kind.api_version)
            self._found.add(place_of(body))
            self._changed |= self._store.put_listed(body, self._tombstones)

    def end(self) -> set[Key]:
        """Remove what the pages did not contain; return the pipelines that the list has changed."""
        return self._changed | self._store.end_list(self._scope, self._version or 0, self._found, self._tombstones)


def replace(store: Store, kind: Kind, bodies: Iterable[Json], version: str, namespace: str = "") -> set[Key]:
    """Take in a complete list at once; return the pipelines that it changes. For the arguments see `Listing`."""
    listing = Listing(store, kind, namespace)
    listing.page(bodies, version)
    return listing.end()
