from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from speechwhisper.errors import Problem
from speechwhisper.slots import Slot, Slots, Speed

pytestmark = pytest.mark.unit


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def refusal(slots: Slots, max_wait: float = 0.0) -> Problem:
    with pytest.raises(Problem) as caught:
        await slots.acquire(max_wait)
    return caught.value


async def in_line(slots: Slots) -> asyncio.Task[Slot]:
    """Ask for a place, and be in line for it."""
    task = asyncio.create_task(slots.acquire(max_wait=60.0))
    await asyncio.sleep(0)
    return task


async def test_a_place_is_free_again_after_release(clock: Clock) -> None:
    slots = Slots(1, clock)
    slots.release(await slots.acquire())

    await slots.acquire()

    assert slots.busy == 1


async def test_who_finds_none_free_is_told_when_the_first_job_ends(clock: Clock) -> None:
    slots = Slots(2, clock)
    slots.speed.observe(100.0, 10.0)  # ten times real time
    long, short = await slots.acquire(), await slots.acquire()
    long.started(clock.now, 6000.0)
    short.started(clock.now, 400.0)
    clock.now += 5
    short.reached(clock.now, 100.0)

    assert (await refusal(slots)).retry_after == 30


async def test_the_wait_shrinks_with_time_between_segments(clock: Clock) -> None:
    slots = Slots(1, clock)
    slots.speed.observe(100.0, 10.0)
    (await slots.acquire()).started(clock.now, 300.0)
    clock.now += 12.5

    assert slots.retry_after() == 18


async def test_the_wait_is_at_most_ten_minutes(clock: Clock) -> None:
    slots = Slots(1, clock)
    (await slots.acquire()).started(clock.now, 4 * 3600.0)

    assert slots.retry_after() == 600


async def test_an_upload_of_unknown_length_says_one_second(clock: Clock) -> None:
    slots = Slots(1, clock)
    await slots.acquire()

    assert slots.retry_after() == 1


async def test_a_job_that_takes_longer_than_expected_says_one_second(clock: Clock) -> None:
    slots = Slots(1, clock)
    (await slots.acquire()).started(clock.now, 10.0)
    clock.now += 1000

    assert slots.retry_after() == 1


async def test_places_are_given_in_the_order_of_asking(clock: Clock) -> None:
    slots = Slots(1, clock)
    held = await slots.acquire()
    first, second = await in_line(slots), await in_line(slots)

    slots.release(held)

    assert slots.busy == 1
    slots.release(await first)
    await second


async def test_nobody_overtakes_a_request_in_line(clock: Clock) -> None:
    slots = Slots(1, clock)
    held = await slots.acquire()
    first = await in_line(slots)

    slots.release(held)

    assert (await refusal(slots)).code == "busy"
    await first


async def test_a_request_in_line_is_refused_when_its_time_is_over(clock: Clock) -> None:
    slots = Slots(1, clock)
    held = await slots.acquire()

    assert (await refusal(slots, max_wait=0.01)).code == "busy"
    slots.release(held)

    await slots.acquire()


async def test_a_request_that_leaves_the_line_gives_its_turn_to_the_next(clock: Clock) -> None:
    slots = Slots(1, clock)
    held = await slots.acquire()
    leaves, stays = await in_line(slots), await in_line(slots)

    leaves.cancel()
    await asyncio.wait([leaves])
    slots.release(held)

    await stays


async def test_a_request_that_leaves_at_the_moment_of_its_turn_takes_no_place(clock: Clock) -> None:
    slots = Slots(1, clock)
    held = await slots.acquire()
    leaves, stays = await in_line(slots), await in_line(slots)

    slots.release(held)
    leaves.cancel()
    with suppress(asyncio.CancelledError):
        await leaves

    await stays
    assert slots.busy == 1


async def test_a_server_that_stops_refuses_requests_in_line(clock: Clock) -> None:
    slots = Slots(1, clock)
    await slots.acquire()
    waiting = await in_line(slots)

    slots.close()

    with pytest.raises(Problem, match="shutting down"):
        await waiting


async def test_a_closed_house_takes_nobody(clock: Clock) -> None:
    slots = Slots(1, clock)
    slots.close()

    assert (await refusal(slots)).code == "busy"


async def test_idle_is_when_the_last_one_left(clock: Clock) -> None:
    slots = Slots(1, clock)
    slot = await slots.acquire()

    slots.release(slot)

    await slots.idle()


def test_speed_follows_the_jobs() -> None:
    speed = Speed()
    speed.observe(100.0, 10.0)
    speed.observe(200.0, 10.0)

    assert 0.05 < speed.realtime_factor < 0.1


def test_silent_jobs_say_nothing_about_speed() -> None:
    speed = Speed()
    before = speed.realtime_factor

    speed.observe(0.0, 5.0)

    assert speed.realtime_factor == before
