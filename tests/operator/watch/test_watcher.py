"""The watcher: one list of each kind, watches from there on, and what happens when a list fails."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

import pytest

from cluster.waiting import until
from fakes.api_server import ApiServer, Refuse
from fakes.reconciler_bench import KEY, pipeline
from speechoperator.api import kinds
from speechoperator.kube.errors import Request
from speechoperator.kube.kinds import Kind
from speechoperator.kube.objects import Key, Ref
from speechoperator.kube.workqueue import WorkQueue
from speechoperator.settings import Settings
from speechoperator.telemetry.metrics import Metrics
from speechoperator.watch.store import Scope, Store
from speechoperator.watch.watcher import Watcher

if TYPE_CHECKING:
    from speechoperator.kube.client import KubeClient

pytestmark = pytest.mark.unit

DEPLOYMENT = kinds.BY_NAME["Deployment"]
ROUTE = kinds.ROUTE
FORBIDDEN = (403, 'cannot list resource "deployments" in API group "apps" at the cluster scope')


def deployment(name: str, namespace: str = "team") -> dict[str, Any]:
    labels = {"speechpipeline.dev/pipeline": "p"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
    }


class Bench:
    """A watcher whose watches see nothing; `list_kind` is how they have a kind listed."""

    def __init__(self, settings: Settings | None = None, refuse: Refuse = lambda _: None) -> None:
        self.api, self.store, self.metrics = ApiServer(), Store(), Metrics()
        self.api.refuse = refuse
        self.queue: WorkQueue[Key] = WorkQueue(0.01, 0.05, self.metrics)
        self.watched: asyncio.Queue[frozenset[Kind]] = asyncio.Queue()
        self.list_kind: Callable[[Kind, str], Awaitable[str]]
        self.watched_namespaces: Collection[str] = ()
        self.watcher = Watcher(
            cast("KubeClient", self.api),
            self.store,
            self.queue,
            settings or Settings(),
            self.metrics,
            lambda: None,
            self._watching,
        )
        self.api.have(pipeline())
        self.api.have(deployment("p-bridge"))
        self.running = asyncio.create_task(self.watcher.run())

    @asynccontextmanager
    async def _watching(
        self, watched: Collection[Kind], namespaces: Collection[str], _client: object, list_kind: Any, _handle: object
    ) -> AsyncIterator[list[asyncio.Task[Any]]]:
        self.list_kind, self.watched_namespaces = list_kind, namespaces
        self.watched.put_nowait(frozenset(watched))
        yield []

    async def watches(self) -> frozenset[Kind]:
        async with asyncio.timeout(5):
            return await self.watched.get()

    def lists(self, kind: Kind) -> int:
        return sum(call.resource == kind.resource for call in self.api.calls)

    def has(self, name: str) -> bool:
        return self.store.has(KEY, Ref("Deployment", name))

    @property
    def unreadable(self) -> float | None:
        return self.metrics.registry.get_sample_value("speechoperator_unreadable_kinds")


@asynccontextmanager
async def watching(settings: Settings | None = None, refuse: Refuse = lambda _: None) -> AsyncIterator[Bench]:
    bench = Bench(settings, refuse)
    try:
        yield bench
    finally:
        bench.running.cancel()
        await asyncio.gather(bench.running, return_exceptions=True)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with watching() as bench:
        yield bench


async def test_each_kind_is_listed_once_and_watched_from_there(bench: Bench) -> None:
    assert await bench.watches() == frozenset(kinds.WATCHED)
    before = int(bench.api.version())
    for kind in kinds.WATCHED:
        assert int(await bench.list_kind(kind, "")) < before, "the version of the list that is in the store already"
        assert bench.lists(kind) == 1


async def test_a_watch_that_cannot_be_resumed_finds_what_was_deleted_meanwhile(bench: Bench) -> None:
    await bench.watches()
    await bench.list_kind(DEPLOYMENT, "")
    del bench.api.objects["Deployment", "team", "p-bridge"]
    assert await bench.list_kind(DEPLOYMENT, "")
    assert not bench.has("p-bridge")
    assert len(bench.queue) == 1


async def test_a_kind_that_cannot_be_listed_keeps_its_last_state(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("speechoperator.watch.watcher._MIN_RETRY_S", 0.0)
    await bench.watches()
    await bench.list_kind(DEPLOYMENT, "")
    bench.api.refuse = lambda call: FORBIDDEN if call.resource == "deployments.apps" else None
    assert await bench.list_kind(DEPLOYMENT, "") == "", "it is listed again"
    assert bench.has("p-bridge")
    assert bench.store.listed(DEPLOYMENT, "team")
    assert bench.unreadable == 1
    assert bench.store.unreadable == {}, "it may be over in a moment"
    await bench.list_kind(DEPLOYMENT, "")
    assert set(bench.store.unreadable) == {Scope("Deployment", "")}
    bench.api.refuse = lambda _: None
    assert await bench.list_kind(DEPLOYMENT, "")
    assert bench.unreadable == 0
    assert bench.store.unreadable == {}
    assert bench.watched.empty(), "the other watches are left alone"


async def test_a_built_in_kind_that_is_said_not_to_exist_keeps_its_last_state(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("speechoperator.watch.watcher._MIN_RETRY_S", 0.0)
    await bench.watches()
    await bench.list_kind(DEPLOYMENT, "")
    bench.api.refuse = lambda call: (404, "page not found") if call.resource == "deployments.apps" else None
    assert await bench.list_kind(DEPLOYMENT, "") == ""
    assert bench.has("p-bridge")


async def test_a_list_that_expires_between_two_pages_is_taken_at_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("speechoperator.watch.lister._PAGE_ITEMS", 1)
    await bench.watches()
    await bench.list_kind(DEPLOYMENT, "")
    for name in ("p-ollama", "p-whisper"):
        bench.api.have(deployment(name))

    def expired(call: Request) -> tuple[int, str] | None:
        return (410, "The provided continue parameter is too old") if call.verb == "continue" else None

    bench.api.refuse = expired
    assert await bench.list_kind(DEPLOYMENT, "")
    assert bench.has("p-ollama")
    assert bench.has("p-whisper")
    assert bench.unreadable == 0


TWO_NAMESPACES = Settings(watch_namespaces=("team", "night"))


@pytest.fixture
async def of_two_namespaces() -> AsyncIterator[Bench]:
    async with watching(TWO_NAMESPACES) as bench:
        for namespace in ("night", "others"):
            bench.api.have(deployment("p-bridge", namespace))
        yield bench


async def test_each_of_several_namespaces_is_listed_and_watched_on_its_own(of_two_namespaces: Bench) -> None:
    bench = of_two_namespaces
    await bench.watches()
    assert list(bench.watched_namespaces) == ["team", "night"]
    assert {call.namespace for call in bench.api.calls} == {"team", "night"}
    assert [bench.lists(kind) for kind in kinds.WATCHED] == [2] * len(kinds.WATCHED)
    versions = {int(await bench.list_kind(DEPLOYMENT, namespace)) for namespace in ("team", "night")}
    assert len(versions) == 2, "each has a resourceVersion of its own"
    assert bench.store.has(Key("night", "p"), Ref("Deployment", "p-bridge"))
    assert not bench.store.has(Key("others", "p"), Ref("Deployment", "p-bridge"))


async def test_a_list_of_one_namespace_says_nothing_about_another(of_two_namespaces: Bench) -> None:
    bench = of_two_namespaces
    await bench.watches()
    for namespace in ("team", "night"):
        await bench.list_kind(DEPLOYMENT, namespace)
        del bench.api.objects["Deployment", namespace, "p-bridge"]
    assert await bench.list_kind(DEPLOYMENT, "night")
    assert bench.has("p-bridge"), "that it is gone is seen when its own namespace is listed"
    assert not bench.store.has(Key("night", "p"), Ref("Deployment", "p-bridge"))


async def test_what_is_forbidden_in_one_namespace_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("speechoperator.watch.watcher._MIN_RETRY_S", 0.0)
    async with watching(TWO_NAMESPACES, lambda call: FORBIDDEN if call.namespace == "night" else None) as bench:
        bench.api.have(deployment("p-bridge", "night"))

        assert await bench.watches() == frozenset(kinds.WATCHED)

        assert bench.watcher.not_ready == ""
        assert bench.store.listed(DEPLOYMENT, "team")
        assert not bench.store.listed(DEPLOYMENT, "night")
        assert bench.store.unreadable_in("team") == {}
        assert set(bench.store.unreadable_in("night")) == {kind.name for kind in kinds.WATCHED if kind is not ROUTE}
        assert await bench.list_kind(DEPLOYMENT, "night") == "", "it is listed again"
        bench.api.refuse = lambda _: None
        assert await bench.list_kind(DEPLOYMENT, "night")
        assert bench.store.has(Key("night", "p"), Ref("Deployment", "p-bridge"))
        assert bench.watched.empty(), "the other watches are left alone"


async def test_a_kind_that_the_cluster_lacks_is_watched_once_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Long before the next complete list."""
    monkeypatch.setattr("speechoperator.watch.watcher._ABSENT_S", 0.01)
    absent = (404, "page not found")
    async with watching(refuse=lambda call: absent if call.resource == ROUTE.resource else None) as bench:
        assert await bench.watches() == frozenset(kinds.WATCHED) - {ROUTE}
        await until(lambda: bench.lists(ROUTE) > 2)
        bench.api.refuse = lambda _: None
        assert await bench.watches() == frozenset(kinds.WATCHED)


async def test_only_what_could_not_be_listed_is_listed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("speechoperator.watch.watcher._MAX_RETRY_S", 0.01)
    async with watching(refuse=lambda call: FORBIDDEN if call.resource == DEPLOYMENT.resource else None) as bench:
        assert await bench.watches() == frozenset(kinds.WATCHED) - {DEPLOYMENT}
        await until(lambda: bench.lists(DEPLOYMENT) > 3)
        assert bench.lists(kinds.PIPELINE) == 1
        bench.api.refuse = lambda _: None
        assert await bench.watches() == frozenset(kinds.WATCHED)
        assert bench.unreadable == 0
