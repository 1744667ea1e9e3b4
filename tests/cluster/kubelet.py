"""Plays scheduler, volume binder and kubelet for the pods of one namespace: binds them and writes their status.

Deployments and ReplicaSets are the real controllers'. A pod of Ollama gets a fake of Ollama at its own address.
"""

import asyncio
import contextlib
import itertools
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import aiohttp

from cluster.api import STRATEGIC, Api, ApiError, Object
from cluster.pod_status import Fate, NotReady, Unschedulable, bound, differs, unscheduled
from fakes.ollama_pod import FakeOllamaPod, Registry, Volume
from speechoperator.plan.models.names import canonical

NODE = "stand-in"
RETRY_S = 0.1
PROBE_S = 0.3
OLLAMA = "app.kubernetes.io/component=ollama"
_addresses = (f"127.77.{number // 250}.{number % 250 + 1}" for number in itertools.count(1))

Handler = Callable[[str, Object], Awaitable[None]]


@dataclass
class Kubelet:
    """`async with Kubelet(api, namespace) as kubelet`. `fate` says what happens to a pod; None: it runs.
    `ended` is given each pod that is gone, and says whether others may run now.

    `ollamas` are the fakes by pod name, `prepare` is given each before it serves; `volumes` are what claims and pods
    keep, by claim (or pod) name.
    """

    api: Api
    namespace: str
    registry: Registry = field(default_factory=Registry)
    ollama_port: int = 11434
    fate: Callable[[Object], Fate | None] = lambda _: None
    ended: Callable[[Object], bool] = lambda _: False
    bind_claims: bool = True
    prepare: Callable[[FakeOllamaPod], object] = lambda _: None
    ollamas: dict[str, FakeOllamaPod] = field(default_factory=dict)
    volumes: dict[str, Volume] = field(default_factory=dict)
    addresses: dict[str, str] = field(default_factory=dict)
    """By the pod's uid: what we saw of a pod may be older than what we wrote."""

    async def __aenter__(self) -> Self:
        self._one_at_a_time = asyncio.Lock()
        self._ready: set[str] = set()
        self._news = asyncio.Condition()
        watched = {"Pod": self._pod, "PersistentVolumeClaim": self._claim}
        self._work = [asyncio.create_task(self._follow(kind, handler)) for kind, handler in watched.items()]
        self._work.append(asyncio.create_task(self._probe()))
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._work:
            task.cancel()
        ends = await asyncio.gather(*self._work, return_exceptions=True)
        for name in list(self.ollamas):
            await self._stop_ollama(name)
        if failures := [end for end in ends if isinstance(end, Exception)]:
            raise ExceptionGroup("the stand-in for the kubelet failed", failures)

    async def ollama(self, pods: int = 1, within_s: float = 30.0) -> list[FakeOllamaPod]:
        """Wait until so many pods of Ollama serve; their fakes."""
        async with asyncio.timeout(within_s), self._news:
            await self._news.wait_for(lambda: len(self.ollamas) == pods)
        return list(self.ollamas.values())

    async def requeue_after(self) -> None:
        """Go through all pods and claims once more: after `fate` or `bind_claims` was changed."""
        for pod in await self.api.list("Pod", self.namespace):
            await self._pod("MODIFIED", pod)
        for claim in await self.api.list("PersistentVolumeClaim", self.namespace):
            await self._claim("MODIFIED", claim)

    async def _follow(self, kind: str, handler: Handler) -> None:
        while True:
            with contextlib.suppress(aiohttp.ClientError):  # the API server is made to go away by tests
                async for event, item in self.api.watch(kind, self.namespace):
                    await handler(event, item)
            await asyncio.sleep(RETRY_S)

    async def _probe(self) -> None:
        """Run the readiness probes of Ollama's pods, again and again."""
        while True:
            await asyncio.sleep(PROBE_S)
            with contextlib.suppress(aiohttp.ClientError, ApiError):  # as above; and the namespace ends
                for pod in await self.api.list("Pod", self.namespace, labelSelector=OLLAMA):
                    if pod["metadata"]["name"] in self.ollamas:
                        await self._pod("MODIFIED", pod)

    async def _lacks(self, pod: Object) -> bool:
        """Whether a pod lacks a model that its ConfigMap requires; one that was ready needs the first one only."""
        volumes = pod["spec"].get("volumes", [])
        name = next((one["configMap"]["name"] for one in volumes if one["name"] == "required-models"), None)
        if name is None or pod["metadata"]["name"] not in self.ollamas:
            return False
        config = await self.api.find("ConfigMap", self.namespace, name)
        required = config["data"]["models"].split() if config else [""]
        has = set(map(canonical, self.volumes[_volume(pod)].models))
        uid = pod["metadata"]["uid"]
        if not has.issuperset(required[:1] if uid in self._ready else required):
            return True
        self._ready.add(uid)
        return False

    async def _claim(self, event: str, claim: Object) -> None:
        if event != "DELETED" and self.bind_claims and claim["status"].get("phase") == "Pending":
            status = {"phase": "Bound", "capacity": claim["spec"]["resources"]["requests"]}
            await self._report("PersistentVolumeClaim", claim, status)

    async def _pod(self, event: str, pod: Object) -> None:
        name = pod["metadata"]["name"]
        if event == "DELETED":
            async with self._one_at_a_time:
                await self._stop_ollama(name)
            if self.ended(pod):
                await self.requeue_after()
            return
        fate = self.fate(pod)
        async with self._one_at_a_time:
            if pod["metadata"].get("deletionTimestamp"):
                await self._stop_ollama(name)
                with _gone_meanwhile():
                    await self.api.delete("Pod", self.namespace, name, gracePeriodSeconds=0, **_only(pod))
            elif pod["spec"].get("nodeName"):
                address = self._address(pod)
                await self._set_ollama(pod, address, runs=fate is None)
                if fate is None and await self._lacks(pod):
                    fate = NotReady()
                await self._report("Pod", pod, bound(pod, address, fate))
            elif isinstance(fate, Unschedulable):
                await self._report("Pod", pod, unscheduled(fate))
            else:
                target = {"apiVersion": "v1", "kind": "Node", "name": NODE}
                binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name}, "target": target}
                with _gone_meanwhile():
                    await self.api.post(f"/api/v1/namespaces/{self.namespace}/pods/{name}/binding", binding)

    def _address(self, pod: Object) -> str:
        uid = pod["metadata"]["uid"]
        if uid not in self.addresses:
            self.addresses[uid] = pod["status"].get("podIP") or next(_addresses)
        return self.addresses[uid]

    async def _report(self, kind: str, item: Object, status: Mapping[str, Any]) -> None:
        """Write what differs, as the kubelet does."""
        if kind == "Pod" and not differs(item, status):
            return
        body = {"metadata": {"uid": item["metadata"]["uid"]}, "status": status}
        with _gone_meanwhile():
            name = item["metadata"]["name"]
            await self.api.patch(kind, self.namespace, name, body, sub="status", content_type=STRATEGIC)

    async def _set_ollama(self, pod: Object, address: str, *, runs: bool) -> None:
        name = pod["metadata"]["name"]
        if pod["metadata"].get("labels", {}).get("app.kubernetes.io/component") != "ollama":
            return
        if not runs:
            await self._stop_ollama(name)
        elif name not in self.ollamas:
            fake = FakeOllamaPod(self.registry, self.volumes.setdefault(_volume(pod), Volume()))
            self.prepare(fake)
            self.ollamas[name] = await fake.listen_on(address, self.ollama_port).__aenter__()
            async with self._news:
                self._news.notify_all()

    async def _stop_ollama(self, name: str) -> None:
        if fake := self.ollamas.pop(name, None):
            await fake.__aexit__()
            async with self._news:
                self._news.notify_all()


@contextlib.contextmanager
def _gone_meanwhile() -> Iterator[None]:
    """Pass over an object that somebody else deleted, replaced or bound since we saw it, or whose namespace ends."""
    try:
        yield
    except ApiError as error:
        if error.code not in {404, 409} and "is being terminated" not in error.message:
            raise


def _only(pod: Object) -> dict[str, Any]:
    return {"preconditions": {"uid": pod["metadata"]["uid"]}}


def _volume(pod: Object) -> str:
    volumes = [volume.get("persistentVolumeClaim", {}).get("claimName") for volume in pod["spec"].get("volumes", [])]
    return next((claim for claim in volumes if claim), pod["metadata"]["name"])
