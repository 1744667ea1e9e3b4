"""A small client of the Kubernetes API for tests: JSON in, JSON out, errors as the server says them."""

import asyncio
import json
import ssl
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self

import aiohttp

Object = dict[str, Any]

PLURALS = {
    "Pod": ("v1", "pods"),
    "Service": ("v1", "services"),
    "ConfigMap": ("v1", "configmaps"),
    "Secret": ("v1", "secrets"),
    "Event": ("v1", "events"),
    "Node": ("v1", "nodes"),
    "Namespace": ("v1", "namespaces"),
    "ServiceAccount": ("v1", "serviceaccounts"),
    "PersistentVolumeClaim": ("v1", "persistentvolumeclaims"),
    "ResourceQuota": ("v1", "resourcequotas"),
    "Deployment": ("apps/v1", "deployments"),
    "ReplicaSet": ("apps/v1", "replicasets"),
    "Job": ("batch/v1", "jobs"),
    "PodDisruptionBudget": ("policy/v1", "poddisruptionbudgets"),
    "NetworkPolicy": ("networking.k8s.io/v1", "networkpolicies"),
    "Ingress": ("networking.k8s.io/v1", "ingresses"),
    "IngressClass": ("networking.k8s.io/v1", "ingressclasses"),
    "HorizontalPodAutoscaler": ("autoscaling/v2", "horizontalpodautoscalers"),
    "Lease": ("coordination.k8s.io/v1", "leases"),
    "Role": ("rbac.authorization.k8s.io/v1", "roles"),
    "RoleBinding": ("rbac.authorization.k8s.io/v1", "rolebindings"),
    "ClusterRole": ("rbac.authorization.k8s.io/v1", "clusterroles"),
    "ClusterRoleBinding": ("rbac.authorization.k8s.io/v1", "clusterrolebindings"),
    "CustomResourceDefinition": ("apiextensions.k8s.io/v1", "customresourcedefinitions"),
    "HTTPRoute": ("gateway.networking.k8s.io/v1", "httproutes"),
    "SpeechPipeline": ("speechpipeline.dev/v1alpha1", "speechpipelines"),
}
"""Kind -> (apiVersion, plural)."""
CLUSTER_WIDE = {
    *("Node", "Namespace", "IngressClass", "ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition"),
}
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"
APPLY = "application/apply-patch+yaml"
TOO_MANY_REQUESTS = 429


class ApiError(Exception):
    """The server refused. `reason` is its CamelCase word (NotFound, Invalid, ...), `message` what a user reads."""

    def __init__(self, code: int, status: Mapping[str, Any]) -> None:
        self.code = code
        self.reason = str(status.get("reason", ""))
        self.message = str(status.get("message", ""))
        super().__init__(f"{code} {self.reason}: {self.message}")


@dataclass(frozen=True)
class Access:
    """Where the API is, what proves that it is the right one, and who we are."""

    url: str
    trust: ssl.SSLContext
    token: str


class Api:
    """`async with Api(access) as api`; every method raises ApiError when the server refuses.

    Reads are repeated for as long as the server says 429, which it does while it fills its watch cache again ("storage
    is (re)initializing"). Writes are not: the 429 of an eviction says that a disruption budget forbids it.
    """

    def __init__(self, access: Access) -> None:
        self._access = access

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            base_url=self._access.url,
            connector=aiohttp.TCPConnector(ssl=self._access.trust),
            headers={"Authorization": f"Bearer {self._access.token}"},
            timeout=aiohttp.ClientTimeout(30),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def get(self, kind: str, namespace: str | None, name: str) -> Object:
        return await self._json("GET", path(kind, namespace, name))

    async def find(self, kind: str, namespace: str | None, name: str) -> Object | None:
        """As `get`, None when there is no such object."""
        try:
            return await self.get(kind, namespace, name)
        except ApiError as error:
            if error.code != 404:
                raise
            return None

    async def list(self, kind: str, namespace: str | None = None, **query: str) -> list[Object]:
        """`query`: labelSelector, fieldSelector. The items lack kind and apiVersion, as the server leaves them out."""
        items: list[Object] = (await self._json("GET", path(kind, namespace), query=query))["items"]
        return items

    async def create(self, body: Object, namespace: str | None = None, **query: str) -> Object:
        """`query`: dryRun=All, fieldManager."""
        namespace = body["metadata"].get("namespace", namespace)
        return await self._json("POST", path(body["kind"], namespace), body, query=query)

    async def apply(self, body: Object, namespace: str | None = None, manager: str = "kubectl", **query: str) -> Object:
        """Server-side apply, by force; `query`: dryRun=All."""
        where = path(body["kind"], body["metadata"].get("namespace", namespace), body["metadata"]["name"])
        query = {"fieldManager": manager, "force": "true", **query}
        return await self._json("PATCH", where, body, content_type=APPLY, query=query)

    async def patch(
        self,
        kind: str,
        namespace: str | None,
        name: str,
        body: Any,
        *,
        sub: str = "",
        content_type: str = MERGE,
        **query: str,
    ) -> Object:
        """Patch an object or one of its subresources (`sub="status"`)."""
        where = path(kind, namespace, name) + (f"/{sub}" if sub else "")
        return await self._json("PATCH", where, body, content_type=content_type, query=query)

    async def replace(self, body: Object, **query: str) -> Object:
        meta = body["metadata"]
        return await self._json("PUT", path(body["kind"], meta.get("namespace"), meta["name"]), body, query=query)

    async def delete(self, kind: str, namespace: str | None, name: str, **options: Any) -> None:
        """`options`: propagationPolicy and what else DeleteOptions has. An object that is gone already is fine."""
        try:
            await self._json("DELETE", path(kind, namespace, name), options)
        except ApiError as error:
            if error.code != 404:
                raise

    async def delete_all(self, kind: str, namespace: str, **options: Any) -> None:
        await self._json("DELETE", path(kind, namespace), options)

    async def post(self, where: str, body: Object) -> Object:
        """Post to any path: a token request, a pod's binding or eviction."""
        return await self._json("POST", where, body)

    async def text(self, where: str) -> str:
        """GET of a path that is no JSON."""
        async with self._read(where) as answer:
            return await answer.text()

    async def watch(self, kind: str, namespace: str | None = None, **query: str) -> AsyncGenerator[tuple[str, Object]]:
        """(ADDED | MODIFIED | DELETED, object) for what is there and what happens, until the server closes."""
        no_limit = aiohttp.ClientTimeout(None)
        params = {"watch": "true", **query}
        async with self._read(path(kind, namespace), params=params, timeout=no_limit) as answer:
            if not answer.ok:
                raise ApiError(answer.status, await answer.json())
            try:
                async for line in answer.content:
                    event = json.loads(line)
                    yield event["type"], event["object"]
            finally:
                _cut(answer)

    async def until(
        self, kind: str, namespace: str | None, name: str, condition: Callable[[Object], object], within_s: float = 30.0
    ) -> Object:
        """Wait until the object is there and `condition` holds for it; the object. AssertionError when time is up."""
        last: Object | None = None
        try:
            async with asyncio.timeout(within_s):
                while True:  # a watch ends now and then
                    watching = self.watch(kind, namespace, fieldSelector=f"metadata.name={name}")
                    async with aclosing(watching) as events:  # else its connection is left to the garbage collector
                        async for _, last in events:
                            if condition(last):
                                return last
        except TimeoutError:
            pass
        if last:
            last["metadata"].pop("managedFields", None)  # half of it, and never what one looks for
        raise AssertionError(f"not within {within_s:.0f} s: {kind} {namespace}/{name} is {json.dumps(last, indent=1)}")

    async def until_all(
        self,
        kind: str,
        namespace: str,
        condition: Callable[[Sequence[Object]], object],
        within_s: float = 60.0,
        **query: str,
    ) -> None:
        """Wait until `condition` holds for the list of what `query` selects; AssertionError when time is up."""
        found: Sequence[Object] = ()
        try:
            async with asyncio.timeout(within_s):
                while True:  # a watch ends now and then
                    async with aclosing(self.watch(kind, namespace, **query)) as events:
                        async for _ in events:
                            found = await self.list(kind, namespace, **query)
                            if condition(found):
                                return
        except TimeoutError:
            for one in found:
                one["metadata"].pop("managedFields", None)
            raise AssertionError(f"not within {within_s:.0f} s: {kind}s are {json.dumps(found, indent=1)}") from None

    async def until_gone(self, kind: str, namespace: str | None, name: str, within_s: float = 30.0) -> None:
        """Wait until there is no such object; AssertionError when time is up."""
        only = {"fieldSelector": f"metadata.name={name}"}
        try:
            async with asyncio.timeout(within_s):
                while (found := await self._json("GET", path(kind, namespace), query=only))["items"]:
                    since = found["metadata"]["resourceVersion"]
                    async with aclosing(self.watch(kind, namespace, resourceVersion=since, **only)) as events:
                        async for event, _ in events:
                            if event == "DELETED":
                                break
        except TimeoutError:
            what = (await self.find(kind, namespace, name) or {}).get("metadata", {})
            what.pop("managedFields", None)
            raise AssertionError(f"{kind} {namespace}/{name} is still there after {within_s:.0f} s: {what}") from None

    @asynccontextmanager
    async def _read(self, where: str, **options: Any) -> AsyncGenerator[aiohttp.ClientResponse]:
        while True:
            async with self._session.get(where, **options) as answer:
                if answer.status != TOO_MANY_REQUESTS:
                    yield answer
                    return
                again_s = float(answer.headers.get("Retry-After", "1"))
            await asyncio.sleep(again_s)

    async def _json(
        self,
        method: str,
        where: str,
        body: Any = None,
        *,
        content_type: str = "application/json",
        query: Mapping[str, str] | None = None,
    ) -> Object:
        data = None if body is None else json.dumps(body)
        headers = {"Content-Type": content_type}
        asked = (
            self._read(where, params=query)
            if method == "GET"
            else self._session.request(method, where, data=data, params=query, headers=headers)
        )
        async with asked as answer:
            text = await answer.text()
            try:
                said: Object = json.loads(text)
            except ValueError:
                said = {"message": text}
            if not answer.ok:
                raise ApiError(answer.status, said)
            return said


def path(kind: str, namespace: str | None = None, name: str = "") -> str:
    """The path of an object, or of all of a kind (of a namespace)."""
    version, plural = PLURALS[kind]
    parts = ["/api" if version == "v1" else "/apis", version]
    if namespace and kind not in CLUSTER_WIDE:
        parts += ["namespaces", namespace]
    return "/".join([*parts, plural, *([name] if name else [])])


def _cut(answer: aiohttp.ClientResponse) -> None:
    """Drop the connection of an answer that goes on: TLS would say goodbye first, and outlive the event loop."""
    if answer.connection and answer.connection.transport:
        answer.connection.transport.abort()
