import asyncio
from contextlib import suppress

import pytest

from speechwhisper.errors import BusyError
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


async def refusal(slots: Slots, patience: float = 0.0) -> BusyError:
    with pytest.raises(BusyError) as caught:
        await slots.take(patience)
    return caught.value


async def in_line(slots: Slots) -> asyncio.Task[Slot]:
    """Ask for a place, and be in line for it."""
    task = asyncio.create_task(slots.take(patience=60.0))
    await asyncio.sleep(0)
    return task


async def test_a_place_is_free_again_after_release(clock: Clock) -> None:
    slots = Slots(1, clock)
    slots.release(await slots.take())

    await slots.take()

    assert slots.busy == 1


async def test_who_finds_none_free_is_told_when_the_first_job_ends(clock: Clock) -> None:
    slots = Slots(2, clock)
    slots.speed.measured(100.0, 10.0)  # ten times real time
    long, short = await slots.take(), await slots.take()
    long.started(clock.now, 6000.0)
    short.started(clock.now, 400.0)
    clock.now += 5
    short.reached(clock.now, 100.0)

    assert (await refusal(slots)).headers == {"Retry-After": "30"}


async def test_the_wait_shrinks_with_time_between_segments(clock: Clock) -> None:
    slots = Slots(1, clock)
    slots.speed.measured(100.0, 10.0)
    (await slots.take()).started(clock.now, 300.0)
    clock.now += 12.5

    assert slots.retry_after() == 18


async def test_an_upload_of_unknown_length_says_one_second(clock: Clock) -> None:
    slots = Slots(1, clock)
    await slots.take()

    assert slots.retry_after() == 1


async def test_a_job_that_takes_longer_than_expected_says_one_second(clock: Clock) -> None:
    slots = Slots(1, clock)
    (await slots.take()).started(clock.now, 10.0)
    clock.now += 1000

    assert slots.retry_after() == 1


async def test_places_are_given_in_the_order_of_asking(clock: Clock) -> None:
    slots = Slots(1, clock)
    held = await slots.take()
    first, second = await in_line(slots), await in_line(slots)

    slots.release(held)

    assert slots.busy == 1
    slots.release(await first)
    await second


async def test_nobody_overtakes_a_request_in_line(clock: Clock) -> None:
    slots = Slots(1, clock)
    held = await slots.take()
    first = await in_line(slots)

    slots.release(held)

    assert (await refusal(slots)).code == "busy"
    await first


async def test_a_request_in_line_is_refused_when_its_time_is_over(clock: Clock) -> None:
    slots = Slots(1, clock)
    held = await slots.take()

    assert (await refusal(slots, patience=0.01)).code == "busy"
    slots.release(held)

    await slots.take()


async def test_a_request_that_leaves_the_line_gives_its_turn_to_the_next(clock: Clock) -> None:
    slots = Slots(1, clock)
    held = await slots.take()
    leaves, stays = await in_line(slots), await in_line(slots)

    leaves.cancel()
    await asyncio.wait([leaves])
    slots.release(held)

    await stays


async def test_a_request_that_leaves_at_the_moment_of_its_turn_takes_no_place(clock: Clock) -> None:
    slots = Slots(1, clock)
    held = await slots.take()
    leaves, stays = await in_line(slots), await in_line(slots)

    slots.release(held)
    leaves.cancel()
    with suppress(asyncio.CancelledError):
        await leaves

    await stays
    assert slots.busy == 1


async def test_a_server_that_stops_refuses_requests_in_line(clock: Clock) -> None:
    slots = Slots(1, clock)
    await slots.take()
    waiting = await in_line(slots)

    slots.close()

    with pytest.raises(BusyError, match="stopping"):
        await waiting


async def test_a_closed_house_takes_nobody(clock: Clock) -> None:
    slots = Slots(1, clock)
    slots.close()

    assert (await refusal(slots)).code == "busy"


async def test_idle_is_when_the_last_one_left(clock: Clock) -> None:
    slots = Slots(1, clock)
    slot = await slots.take()

    slots.release(slot)

    await slots.idle()


def test_speed_follows_the_jobs() -> None:
    speed = Speed()
    speed.measured(100.0, 10.0)
    speed.measured(200.0, 10.0)

    assert 10.0 < speed.factor < 20.0


def test_silent_jobs_say_nothing_about_speed() -> None:
    speed = Speed()
    before = speed.factor

    speed.measured(0.0, 5.0)

    assert speed.factor == before
