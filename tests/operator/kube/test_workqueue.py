"""The queue of pipelines: each once, never by two at once, and none held up by another."""

import asyncio

import pytest

from speechoperator.kube.workqueue import WorkQueue
from speechoperator.telemetry.metrics import Metrics

pytestmark = pytest.mark.unit

SOON = 0.01
NEVER_IN_A_TEST = 3600.0


@pytest.fixture
async def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
async def queue(metrics: Metrics) -> WorkQueue[str]:
    return WorkQueue(base_delay=SOON, max_delay=0.05, metrics=metrics, jitter=lambda: 0.0)


async def taken(queue: WorkQueue[str]) -> str:
    async with asyncio.timeout(5):
        return await queue.take()


def nothing_waits(queue: WorkQueue[str]) -> bool:
    return len(queue) == 0


async def test_a_key_is_taken_once_however_often_it_was_added(queue: WorkQueue[str]) -> None:
    for _ in range(3):
        queue.add("a")
    assert await taken(queue) == "a"
    assert nothing_waits(queue)


async def test_the_one_that_waited_longest_comes_first(queue: WorkQueue[str]) -> None:
    for key in ("a", "b", "a", "c"):
        queue.add(key)
    assert [await taken(queue) for _ in range(3)] == ["a", "b", "c"]


async def test_a_worker_waits_for_a_key(queue: WorkQueue[str]) -> None:
    first, second = asyncio.create_task(queue.take()), asyncio.create_task(queue.take())
    queue.add("a")
    queue.add("b")
    async with asyncio.timeout(5):
        assert {await first, await second} == {"a", "b"}


async def test_a_key_that_is_worked_on_is_given_to_nobody_else(queue: WorkQueue[str]) -> None:
    queue.add("a")
    await taken(queue)
    queue.add("a")
    assert nothing_waits(queue)
    queue.done("a")
    assert await taken(queue) == "a"


async def test_a_key_that_is_done_and_was_not_added_meanwhile_stays_away(queue: WorkQueue[str]) -> None:
    queue.add("a")
    await taken(queue)
    queue.done("a")
    assert nothing_waits(queue)


async def test_a_key_comes_after_its_time(queue: WorkQueue[str]) -> None:
    queue.after("a", SOON)
    assert nothing_waits(queue)
    assert await taken(queue) == "a"


async def test_of_two_times_the_earlier_counts(queue: WorkQueue[str]) -> None:
    queue.after("a", SOON)
    queue.after("a", NEVER_IN_A_TEST)
    queue.after("b", NEVER_IN_A_TEST)
    queue.after("b", SOON)
    assert {await taken(queue), await taken(queue)} == {"a", "b"}


async def test_what_is_taken_now_does_not_come_again_for_an_earlier_reason(queue: WorkQueue[str]) -> None:
    queue.after("a", SOON)
    queue.add("a")
    await taken(queue)
    queue.done("a")
    queue.after("b", 2 * SOON)
    assert await taken(queue) == "b"
    assert nothing_waits(queue)


async def test_a_key_whose_time_comes_while_it_is_worked_on_comes_again(queue: WorkQueue[str]) -> None:
    queue.add("a")
    await taken(queue)
    queue.after("a", SOON)
    queue.after("b", 2 * SOON)
    assert await taken(queue) == "b"
    queue.done("a")
    assert await taken(queue) == "a"


async def test_each_failure_in_a_row_doubles_the_wait_up_to_a_limit(queue: WorkQueue[str], metrics: Metrics) -> None:
    assert [queue.retry("a") for _ in range(5)] == [0.01, 0.02, 0.04, 0.05, 0.05]
    assert metrics.registry.get_sample_value("speechoperator_workqueue_retries_total") == 5


async def test_a_success_makes_the_next_failure_the_first(queue: WorkQueue[str]) -> None:
    queue.retry("a")
    queue.retry("a")
    queue.succeeded("a")
    assert queue.retry("a") == SOON


async def test_a_wait_that_the_server_asked_for_is_kept_to(queue: WorkQueue[str]) -> None:
    assert queue.retry("a", min_delay=3.0) == 3.0


async def test_a_key_that_fails_holds_up_no_other(queue: WorkQueue[str]) -> None:
    queue.retry("bad", min_delay=NEVER_IN_A_TEST)
    queue.add("good")
    assert await taken(queue) == "good"
    assert nothing_waits(queue)


async def test_all_is_forgotten_when_another_leads(queue: WorkQueue[str]) -> None:
    queue.add("a")
    queue.after("b", SOON)
    queue.retry("c")
    queue.close()
    queue.open()
    queue.after("d", 3 * SOON)
    assert await taken(queue) == "d"
    assert nothing_waits(queue)
    assert queue.retry("c") == SOON


async def test_nothing_is_queued_while_another_leads(queue: WorkQueue[str], metrics: Metrics) -> None:
    queue.add("a")
    await taken(queue)
    queue.close()
    queue.add("a")
    queue.add("b")
    queue.after("c", SOON)
    queue.done("a")
    assert metrics.registry.get_sample_value("speechoperator_workqueue_depth") == 0
    queue.open()
    queue.after("d", 3 * SOON)
    assert await taken(queue) == "d", "c was not delayed but dropped"


async def test_keys_that_fail_together_are_not_all_tried_again_together(metrics: Metrics) -> None:
    shares = iter((0.0, 0.5, 1.0))
    queue: WorkQueue[str] = WorkQueue(base_delay=8.0, max_delay=60.0, metrics=metrics, jitter=lambda: next(shares))
    assert [queue.retry(key) for key in ("a", "b", "c")] == [8.0, 9.0, 10.0]


async def test_depth_and_waiting_time_are_measured(queue: WorkQueue[str], metrics: Metrics) -> None:
    queue.add("a")
    queue.add("b")
    assert metrics.registry.get_sample_value("speechoperator_workqueue_depth") == 2
    await taken(queue)
    assert metrics.registry.get_sample_value("speechoperator_workqueue_depth") == 1
    assert metrics.registry.get_sample_value("speechoperator_workqueue_queue_duration_seconds_count") == 1
