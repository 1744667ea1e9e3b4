"""Callers share the queue: each gets its turns, and its place when the queue is full."""

import asyncio
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechbridge.admission.fair_queue import FairQueue
from speechbridge.admission.queue import Admission
from speechbridge.errors import Problem
from speechbridge.wait_budget import WaitBudget

pytestmark = pytest.mark.unit

CALLERS = st.lists(st.sampled_from("abcd"), max_size=40)


def queue_of(callers: list[str]) -> FairQueue[int]:
    queue: FairQueue[int] = FairQueue()
    for number, caller in enumerate(callers):
        queue.push(caller, number)
    return queue


@given(CALLERS)
def test_nothing_is_lost_and_each_caller_keeps_its_order(callers: list[str]) -> None:
    queue = queue_of(callers)
    served = [queue.pop({}) for _ in callers]

    assert sorted(number for _, number in served) == list(range(len(callers)))
    for caller in set(callers):
        mine = [number for of, number in served if of == caller]
        assert mine == sorted(mine)
        assert [callers[number] for number in mine] == [caller] * len(mine)


@given(CALLERS)
def test_while_both_wait_no_caller_is_served_twice_more_than_another(callers: list[str]) -> None:
    queue = queue_of(callers)
    left, served = Counter(callers), Counter[str]()
    while len(queue):
        caller, _ = queue.pop({})
        left[caller] -= 1
        served[caller] += 1
        waiting = [served[other] for other in set(callers) if left[other]]
        assert max(waiting, default=0) - min(waiting, default=0) <= 1


@given(CALLERS.filter(bool), st.dictionaries(st.sampled_from("abcd"), st.integers(0, 5)))
def test_the_next_is_one_with_the_fewest_in_progress(callers: list[str], in_progress: dict[str, int]) -> None:
    caller, _ = queue_of(callers).pop(in_progress)

    assert in_progress.get(caller, 0) == min(in_progress.get(other, 0) for other in callers)


@given(CALLERS.filter(bool))
def test_the_last_of_the_longest_line_is_displaced(callers: list[str]) -> None:
    queue = queue_of(callers)
    displaced = callers[queue.displace()]

    assert callers.count(displaced) == max(Counter(callers).values())
    assert len(queue) == len(callers) - 1


def test_one_caller_is_served_in_order_and_a_returning_item_comes_first() -> None:
    queue = queue_of(["a", "a"])
    queue.push("a", 9, first=True)

    assert [queue.pop({})[1] for _ in range(3)] == [9, 0, 1]
    with pytest.raises(LookupError):
        queue.pop({})


def test_what_left_the_queue_cannot_be_removed() -> None:
    queue = queue_of(["a"])

    assert (queue.remove("a", 0), queue.remove("a", 0), queue.remove("b", 0), len(queue)) == (True, False, False, 0)


# In `Admission`.


async def test_a_caller_with_many_requests_does_not_delay_the_others() -> None:
    door = Admission(limit=1, queue_limit=50, retry_after=lambda _: 1)
    served: list[str] = []

    async def request(caller: str) -> None:
        async with door.admit(WaitBudget(5, 5), caller):
            served.append(caller)
            await asyncio.sleep(0)

    async with door.admit(WaitBudget(5, 5), "busy"):
        tasks = [asyncio.create_task(request(caller)) for caller in ["busy"] * 10 + ["quiet"] * 2]
        while door.queued < len(tasks):  # noqa: ASYNC110 - admission has no event for it
            await asyncio.sleep(0)
    await asyncio.gather(*tasks)

    assert served[:4] == ["busy", "quiet", "busy", "quiet"]


async def test_a_full_queue_makes_room_for_a_caller_who_has_less_in_it() -> None:
    door = Admission(limit=1, queue_limit=3, retry_after=lambda _: 3)

    async def request(caller: str) -> str:
        async with door.admit(WaitBudget(5, 5), caller):
            return caller

    async with door.admit(WaitBudget(5, 5), "busy"):
        first, second, last = (asyncio.create_task(request("busy")) for _ in range(3))
        while door.queued < 3:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0)
        quiet = asyncio.create_task(request("quiet"))
        with pytest.raises(Problem) as displaced:
            await last
        door.check("another")
        for caller in ("busy", "quiet"):
            with pytest.raises(Problem, match="Too many requests"):
                door.check(caller)

    assert (displaced.value.code, displaced.value.retry_after) == ("overloaded", 3)
    assert await asyncio.gather(first, second, quiet) == ["busy", "busy", "quiet"]
    await door.drained()
