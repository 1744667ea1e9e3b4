"""Workers: what goes wrong with one pipeline stays with it."""

import asyncio
from collections.abc import AsyncIterator
from typing import cast

import pytest

from speechoperator.errors import NotLeadingError
from speechoperator.kube.errors import ApiError, Request
from speechoperator.kube.objects import Key
from speechoperator.kube.workqueue import WorkQueue
from speechoperator.reconciler import Reconciler, Result
from speechoperator.telemetry.metrics import Metrics
from speechoperator.workers import Workers

pytestmark = pytest.mark.unit

BAD, GOOD = Key("team", "bad"), Key("team", "good")


class Scripted:
    """A reconciler that does what it is told: by key, what each round in turn raises or returns."""

    def __init__(self) -> None:
        self.script: dict[Key, list[Result | Exception]] = {}
        self.rounds: list[Key] = []
        self.held: set[Key] = set()
        self.release = asyncio.Event()
        self._changed = asyncio.Event()

    async def reconcile(self, key: Key) -> Result:
        self.rounds.append(key)
        self._changed.set()
        if key in self.held:
            await self.release.wait()
        todo = self.script.get(key)
        outcome = todo.pop(0) if todo else Result()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def until(self, key: Key, times: int) -> None:
        async with asyncio.timeout(5):
            while self.rounds.count(key) < times:
                self._changed.clear()
                await self._changed.wait()


class Bench:
    def __init__(self) -> None:
        self.metrics = Metrics()
        self.queue: WorkQueue[Key] = WorkQueue(0.01, 0.05, self.metrics)
        self.reconciler = Scripted()
        self.workers = Workers(2, self.queue, cast("Reconciler", self.reconciler), self.metrics)
        self.running = asyncio.create_task(self.workers.run())

    def ended(self, result: str) -> float:
        return self.metrics.registry.get_sample_value("speechoperator_reconciles_total", {"result": result}) or 0.0

    def errors(self, code: str) -> float:
        return self.metrics.registry.get_sample_value("speechoperator_errors_total", {"code": code}) or 0.0


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench()
    yield bench
    bench.running.cancel()
    await asyncio.gather(bench.running, return_exceptions=True)


def unreachable() -> ApiError:
    return ApiError(Request("patch", "services", "team", "p"), 0, "", "no answer")


@pytest.mark.parametrize(
    ("fault", "code"),
    [(unreachable(), "unreachable"), (NotLeadingError(), "not_leading"), (ZeroDivisionError(), "internal")],
)
async def test_one_that_fails_is_tried_again(bench: Bench, fault: Exception, code: str) -> None:
    bench.reconciler.script[BAD] = [fault, fault]
    bench.queue.add(BAD)
    await bench.reconciler.until(BAD, 3)
    assert bench.ended("error") == 2
    assert bench.errors(code) == 2


async def test_one_that_hangs_holds_up_no_other(bench: Bench) -> None:
    bench.reconciler.held = {BAD}
    bench.queue.add(BAD)
    await bench.reconciler.until(BAD, 1)
    bench.queue.add(GOOD)
    await bench.reconciler.until(GOOD, 1)
    bench.queue.add(BAD)
    bench.queue.add(GOOD)
    await bench.reconciler.until(GOOD, 2)
    assert bench.reconciler.rounds.count(BAD) == 1, "never two at once"
    bench.reconciler.release.set()
    await bench.reconciler.until(BAD, 2)


async def test_a_reconcile_that_hangs_is_noticed(bench: Bench) -> None:
    assert bench.workers.hung(0.0) == ""
    bench.reconciler.held = {BAD}
    bench.queue.add(BAD)
    await bench.reconciler.until(BAD, 1)
    assert bench.workers.hung(3600.0) == ""
    assert bench.workers.hung(-1.0) == "a worker has been reconciling team/bad for 0 s"
    bench.reconciler.release.set()
    bench.queue.add(GOOD)
    await bench.reconciler.until(GOOD, 1)
    assert "bad" not in bench.workers.hung(-1.0)


async def test_a_worker_that_crashes_ends_all_with_its_error(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(bench.queue, "done", broken)
    bench.queue.add(GOOD)
    with pytest.raises(ZeroDivisionError):
        await asyncio.wait_for(bench.running, 5)


async def test_what_was_refused_is_tried_again(bench: Bench) -> None:
    bench.reconciler.script[BAD] = [Result(rejected=True)]
    bench.queue.add(BAD)
    await bench.reconciler.until(BAD, 2)
    assert bench.ended("rejected") == 1


async def test_one_comes_again_when_its_time_has_come(bench: Bench) -> None:
    bench.reconciler.script[GOOD] = [Result(requeue_after=0.01)]
    bench.queue.add(GOOD)
    await bench.reconciler.until(GOOD, 2)


async def test_what_is_being_written_is_finished_when_the_operator_ends(bench: Bench) -> None:
    bench.reconciler.held = {GOOD}
    bench.queue.add(GOOD)
    await bench.reconciler.until(GOOD, 1)
    bench.running.cancel()
    await asyncio.sleep(0)
    bench.queue.add(BAD)
    bench.reconciler.release.set()
    await asyncio.gather(bench.running, return_exceptions=True)
    assert bench.ended("ok") == 1
    assert bench.reconciler.rounds == [GOOD], "nothing new is begun"
