"""The operator's process: what a replica does on standby, and when its workers crash or hang."""

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, cast

import pytest

from fakes.api_server import ApiServer
from fakes.load import SilentStreams
from fakes.reconciler_bench import KEY, pipeline
from speechoperator.app import Operator
from speechoperator.kube.objects import Key
from speechoperator.kube.rate_limit import RateLimit
from speechoperator.observe.egress import Egress
from speechoperator.observe.external import ExternalServices
from speechoperator.observe.load_feed import LoadFeed, Source
from speechoperator.observe.load_stream import LoadClient
from speechoperator.ollama.client import OllamaClient
from speechoperator.reconciler import Result
from speechoperator.settings import Settings
from speechoperator.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from speechoperator.kube.unfenced_client import UnfencedClient

pytestmark = pytest.mark.unit

WITHIN_S = 60.0
"""Also on a busy machine."""


class Bench:
    """A replica with one pipeline in its caches, whose election is decided by `lead`."""

    def __init__(self, ollama: OllamaClient) -> None:
        client, self.metrics = cast("UnfencedClient", ApiServer()), Metrics()
        external = ExternalServices(client, ollama, Egress(()), 5)
        loads, limit = LoadClient(Egress(())), RateLimit(1000, 1000)
        settings = Settings(hang_timeout=600)
        self.operator = Operator(settings, client, ollama, external, loads, limit, self.metrics, lambda: None)
        body = pipeline()
        body["metadata"] |= {"uid": "u", "resourceVersion": "1"}
        self.operator.store.put(body)
        self.operator.watcher.synced.set()

    def lead(self) -> None:
        self.operator.election.is_standby.clear()
        self.operator.election.is_leader.set()

    @property
    def depth(self) -> float | None:
        return self.metrics.registry.get_sample_value("speechoperator_workqueue_depth")


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with OllamaClient(timeout=5, stall_timeout=5) as ollama:
        yield Bench(ollama)


async def test_a_replica_on_standby_queues_nothing(bench: Bench) -> None:
    bench.operator.queue.add(KEY)
    assert bench.depth == 0


async def test_a_leader_works_on_all_pipelines_and_a_crash_of_its_workers_is_logged_and_ends_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    taken: list[object] = []

    async def reconcile(key: object) -> Result:
        taken.append(key)
        return Result()

    def broken(_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(bench.operator.reconciler, "reconcile", reconcile)
    monkeypatch.setattr(bench.operator.queue, "done", broken)
    leading = asyncio.create_task(bench.operator.lead())
    bench.lead()
    with pytest.raises(ZeroDivisionError):
        await asyncio.wait_for(leading, WITHIN_S)
    assert taken == [KEY]
    assert "the workers crashed" in caplog.messages
    bench.operator.queue.add(KEY)
    assert bench.depth == 0, "nothing more is queued"


async def test_a_leader_that_does_not_begin_to_work_is_not_alive(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("speechoperator.app.monotonic", lambda: now)
    assert bench.operator.not_alive() == "", "it is on standby"
    bench.lead()
    assert bench.operator.not_alive() == ""
    now = 601.0
    assert bench.operator.not_alive() == "the leader has had no workers for 601 s"


async def test_a_leader_that_works_is_alive(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    now, working = 0.0, asyncio.Event()

    async def reconcile(_: object) -> Result:
        working.set()
        return Result()

    monkeypatch.setattr("speechoperator.app.monotonic", lambda: now)
    monkeypatch.setattr(bench.operator.reconciler, "reconcile", reconcile)
    bench.lead()
    leading = asyncio.create_task(bench.operator.lead())
    await asyncio.wait_for(working.wait(), WITHIN_S)
    assert bench.operator.not_alive() == ""
    now = 5000.0
    assert bench.operator.not_alive() == ""
    leading.cancel()
    await asyncio.gather(leading, return_exceptions=True)


async def test_an_operator_whose_workers_do_not_hang_is_alive(bench: Bench) -> None:
    assert bench.operator.not_alive() == ""


async def test_a_replica_that_no_longer_leads_follows_no_load(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    async def reconcile(key: Key) -> Result:
        bench.operator.loads.follow(key, [Source("bridge", "b-0", "uid", "http://10.0.0.7:8080", ready=True)])
        return Result()

    monkeypatch.setattr(bench.operator, "loads", LoadFeed(SilentStreams(), lambda *_: None, limit=1))
    monkeypatch.setattr(bench.operator.reconciler, "reconcile", reconcile)
    leading = asyncio.create_task(bench.operator.lead())
    bench.lead()
    async with asyncio.timeout(WITHIN_S):
        while not len(bench.operator.loads):  # noqa: ASYNC110 - the feed has no event for it
            await asyncio.sleep(0)
        bench.operator.election.is_leader.clear()
        bench.operator.election.is_standby.set()
        while len(bench.operator.loads):  # noqa: ASYNC110 - as above
            await asyncio.sleep(0)
    leading.cancel()
