"""The API server in memory, for unit tests: a double of `speechoperator.kube.unfenced_client.UnfencedClient`.

Kept alike: server-side apply with one manager (what was applied before and is no more goes; the replicas of Deployments
have several), uids, resourceVersions, preconditions, merge patches, a pod's conditions merged by type, ownerReferences
removed by uid. Left out: defaults, schemas, other managers; the tier `cluster` has a real one for those.
"""

from __future__ import annotations

import asyncio
import copy
import itertools
from collections.abc import AsyncGenerator, Callable
from typing import TYPE_CHECKING, Any

from fakes import replica_owners
from speechoperator.kube.client import MERGE, STRATEGIC
from speechoperator.kube.errors import ApiError, Request

if TYPE_CHECKING:
    from speechoperator.kube.kinds import Kind

Object = dict[str, Any]
Place = tuple[str, str, str]
"""Kind, namespace, name."""
Refuse = Callable[[Request], tuple[int, str] | None]

WRITES = {"create", "update", "patch", "delete"}


class ApiServer:
    """`calls` are all requests, oldest first. `refuse` says for each whether it fails: (status, message) or None.

    `webhook` may change what is applied, as an admission webhook does. `cuts` is a field of a status that the schema
    does not know. Listings wait while `lists` is not set, but for those of one name.
    """

    def __init__(self) -> None:
        self.objects: dict[Place, Object] = {}
        self.calls: list[Request] = []
        self.refuse: Refuse = lambda _: None
        self.webhook: Callable[[Object], None] = lambda _: None
        self.cuts = ""
        self.recovered = asyncio.Event()
        self.lists = asyncio.Event()
        self.lists.set()
        self._versions = itertools.count(100)

    @property
    def writes(self) -> list[Request]:
        return [call for call in self.calls if call.verb in WRITES]

    def written(self, resource: str) -> int:
        """How often something was written to `resource`: "deployments.apps", "pods/status"."""
        return sum(call.resource == resource for call in self.writes)

    def have(self, thing: Object) -> Object:
        """Put an object there, as somebody else does."""
        kept = copy.deepcopy(thing)
        place = (kept["kind"], kept["metadata"]["namespace"], kept["metadata"]["name"])
        return self._keep(place, kept)

    def find(self, kind: str, name: str, namespace: str = "team") -> Object | None:
        return copy.deepcopy(self.objects.get((kind, namespace, name)))

    def all(self, kind: str) -> list[Object]:
        return [copy.deepcopy(thing) for place, thing in self.objects.items() if place[0] == kind]

    async def write(
        self, verb: str, kind: Kind, namespace: str = "", name: str = "", *, subresource: str = "", **more: Any
    ) -> Object:
        resource = f"{kind.plural}/{subresource}" if subresource else kind.resource
        request = Request(verb, resource, namespace, name)
        self.calls.append(request)
        await asyncio.sleep(0)
        if refused := self.refuse(request):
            raise ApiError(request, refused[0], "", refused[1])
        body, place = copy.deepcopy(more.get("body") or {}), (kind.name, namespace, name)
        there = self.objects.get(place)
        if verb == "create":
            return self._keep((kind.name, namespace, body["metadata"]["name"]), body)
        if there is None and (subresource or verb != "patch"):
            raise ApiError(request, 404, "NotFound", f'{kind.resource} "{name}" not found')
        wanted = body.get("preconditions") or body.get("metadata", {})
        for field in ("uid", "resourceVersion"):
            if there and wanted.get(field, there["metadata"][field]) != there["metadata"][field]:
                raise ApiError(request, 409, "Conflict", "the object has been modified")
        if verb == "delete":
            return self.objects.pop(place)
        if subresource:
            assert there is not None
            body = {**there, "status": body["status"] if kind.name != "Pod" else _merged(there, body)}
            body["status"].pop(self.cuts, None)
        elif there and more.get("content_type") == STRATEGIC:
            body = _without_owners(there, body)
        elif there and more.get("content_type") == MERGE:
            body = _merge_patched(there, body)
        else:
            body = replica_owners.applied(there, body, more["query"]["fieldManager"])
            self.webhook(body)
        return copy.deepcopy(self._keep(place, body))

    async def pages(
        self, kind: Kind, namespace: str = "", *, labels: str = "", page_items: int = 250
    ) -> AsyncGenerator[tuple[list[Object], str], None]:
        """As the real one: all pages have one resourceVersion, and what changes meanwhile is not on them."""
        items, version = await self.list(kind, namespace, labels=labels)
        size = page_items or max(len(items), 1)
        for first in range(0, max(len(items), 1), size):
            if first and (refused := self.refuse(Request("continue", kind.resource, namespace))):
                raise ApiError(Request("list", kind.resource, namespace), refused[0], "Expired", refused[1])
            yield items[first : first + size], version

    async def list(
        self, kind: Kind, namespace: str = "", *, labels: str = "", fields: str = "", any_version: bool = False
    ) -> Any:
        request = Request("list", kind.resource, namespace)
        self.calls.append(request)
        if not fields.startswith("metadata.name="):
            await self.lists.wait()
        if refused := self.refuse(request):
            raise ApiError(request, refused[0], "", refused[1])
        assert not (labels and fields)
        assert not (any_version and (labels or fields))
        items = [item for item in self.all(kind.name) if namespace in {"", item["metadata"].get("namespace")}]
        if fields.startswith("metadata.name="):
            name = fields.removeprefix("metadata.name=")
            items = [item for item in items if item["metadata"]["name"] == name]
        elif fields:
            uid = fields.removeprefix("involvedObject.uid=")
            items = [item for item in items if item["involvedObject"]["uid"] == uid]
        return items, self.version()

    def version(self) -> str:
        """The resourceVersion of a list."""
        return str(next(self._versions))

    def _keep(self, place: Place, body: Object) -> Object:
        there = self.objects.get(place)
        same = _content(there) == _content(body) if there else False
        meta = body["metadata"]
        meta["uid"] = there["metadata"]["uid"] if there else f"uid-{next(self._versions)}"
        meta["resourceVersion"] = there["metadata"]["resourceVersion"] if there and same else str(next(self._versions))
        meta.setdefault("creationTimestamp", "2026-11-23T12:00:00Z")
        if there and "status" in there:
            body.setdefault("status", there["status"])
        self.objects[place] = body
        return body


def _content(thing: Object | None) -> Object:
    own = {"uid", "resourceVersion", "creationTimestamp"}
    found = copy.deepcopy(thing or {})
    found["metadata"] = {key: value for key, value in found.get("metadata", {}).items() if key not in own}
    return found


def _without_owners(thing: Object, patch: Object) -> Object:
    """A strategic merge patch that removes ownerReferences, by uid."""
    patched = patch["metadata"].get("ownerReferences", [])
    gone = {owner["uid"] for owner in patched if owner["$patch"] == "delete"}
    kept = [owner for owner in thing["metadata"].get("ownerReferences", []) if owner["uid"] not in gone]
    return {**thing, "metadata": {**thing["metadata"], "ownerReferences": kept}}


def _merge_patched(thing: Object, patch: Object) -> Object:
    """A JSON merge patch (RFC 7396): maps are merged, null removes a member, anything else is replaced."""
    found = copy.deepcopy(thing)
    for key, value in patch.items():
        if value is None:
            found.pop(key, None)
            continue
        both = isinstance(value, dict) and isinstance(found.get(key), dict)
        found[key] = _merge_patched(found[key], value) if both else copy.deepcopy(value)
    return found


def _merged(pod: Object, patch: Object) -> Object:
    """Conditions are merged by type: a strategic merge patch."""
    status = pod.get("status") or {}
    news = {condition["type"]: condition for condition in patch["status"]["conditions"]}
    kept = [condition for condition in status.get("conditions", []) if condition["type"] not in news]
    return {**status, "conditions": [*kept, *news.values()]}
