from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from speechwhisper.admission.slots import Bounds, Slot, Slots
from speechwhisper.errors import Problem

pytestmark = pytest.mark.unit


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def with_slots(
    capacity: int, clock: Clock, requests: int = 64, audio_seconds: float = 0.0, speed: float = 0.0
) -> Slots:
    return Slots(capacity, Bounds(requests, audio_seconds), clock, lambda: speed)


async def refusal(slots: Slots, announced: float | None = None) -> Problem:
    with pytest.raises(Problem) as caught:
        await slots.acquire(announced)
    return caught.value


async def queued(slots: Slots, announced: float | None = None, channels: int = 1) -> asyncio.Task[Slot]:
    """Ask for a slot, and be in the queue for it."""
    before = slots.load().waiting
    task = asyncio.create_task(slots.acquire(announced, channels))
    await asyncio.sleep(0)
    assert slots.load().waiting == before + 1
    return task


async def test_a_slot_is_free_again_after_release(clock: Clock) -> None:
    slots = with_slots(1, clock)
    slots.release(await slots.acquire())

    await slots.acquire()

    assert slots.busy == 1


async def test_slots_are_given_in_the_order_of_asking(clock: Clock) -> None:
    slots = with_slots(1, clock)
    held = await slots.acquire()
    first, second = await queued(slots), await queued(slots)

    slots.release(held)

    assert slots.busy == 1
    slots.release(await first)
    await second


async def test_no_request_overtakes_one_in_the_queue(clock: Clock) -> None:
    slots = with_slots(1, clock)
    held = await slots.acquire()
    first = await queued(slots)

    slots.release(held)
    second = await queued(slots)

    slots.release(await first)
    await second


async def test_without_a_queue_a_request_is_refused_at_once(clock: Clock) -> None:
    slots = with_slots(1, clock, requests=0)
    held = await slots.acquire()

    assert (await refusal(slots)).code == "busy"
    slots.release(held)

    await slots.acquire()


async def test_the_queue_has_room_for_so_many_requests(clock: Clock) -> None:
    slots = with_slots(1, clock, requests=2)
    await slots.acquire()
    await queued(slots)
    leaves = await queued(slots)

    assert (await refusal(slots)).code == "busy"
    leaves.cancel()
    await asyncio.wait([leaves])

    await queued(slots)


async def test_the_queue_has_room_for_so_much_audio(clock: Clock) -> None:
    slots = with_slots(1, clock, audio_seconds=100.0)
    await slots.acquire()
    await queued(slots, 60.0)

    assert (await refusal(slots, 50.0)).code == "busy"

    await queued(slots, 40.0)


async def test_one_recording_alone_may_be_longer_than_the_queue(clock: Clock) -> None:
    slots = with_slots(1, clock, audio_seconds=100.0)
    await slots.acquire()

    await queued(slots, 3600.0)


async def test_a_refusal_says_when_the_backlog_is_decoded(clock: Clock) -> None:
    slots = with_slots(1, clock, requests=1, speed=10.0)
    slot = await slots.acquire(400.0)
    slot.reached(20.0)
    await queued(slots, 120.0)

    assert (await refusal(slots)).retry_after == 50


async def test_a_request_that_leaves_the_queue_gives_its_turn_to_the_next(clock: Clock) -> None:
    slots = with_slots(1, clock)
    held = await slots.acquire()
    leaves, stays = await queued(slots), await queued(slots)

    leaves.cancel()
    slots.release(held)  # before the one that leaves has run

    await stays


async def test_a_request_that_leaves_at_the_moment_of_its_turn_takes_no_slot(clock: Clock) -> None:
    slots = with_slots(1, clock)
    held = await slots.acquire()
    leaves, stays = await queued(slots), await queued(slots)

    slots.release(held)
    leaves.cancel()
    with suppress(asyncio.CancelledError):
        await leaves

    await stays
    assert slots.busy == 1


async def test_a_server_that_stops_refuses_the_requests_in_its_queue(clock: Clock) -> None:
    slots = with_slots(1, clock)
    await slots.acquire()
    waiting = await queued(slots)

    slots.close()

    with pytest.raises(Problem, match="shutting down") as caught:
        await waiting
    assert caught.value.retry_after == 1
    assert slots.load().waiting == 0
    assert slots.busy == 1


async def test_a_request_that_leaves_while_it_is_refused_is_cancelled(clock: Clock) -> None:
    slots = with_slots(1, clock)
    await slots.acquire()
    waiting = await queued(slots)

    slots.close()
    waiting.cancel()

    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_a_server_that_stops_takes_no_request(clock: Clock) -> None:
    slots = with_slots(1, clock)
    slots.close()

    assert (await refusal(slots)).code == "busy"


async def test_the_load_tells_what_waits_and_what_is_left_to_do(clock: Clock) -> None:
    slots = with_slots(1, clock, speed=5.0)
    slot = await slots.acquire(25.0)
    await queued(slots, 12.5)
    clock.now += 1.5
    await queued(slots, 7.5)

    uploading = slots.load()
    clock.now += 2
    slot.reached(10.0)
    decoding = slots.load()

    assert (uploading.waiting, uploading.working, uploading.slots, uploading.held) == (2, 1, 1, 0)
    assert (uploading.audio_seconds_waiting, uploading.audio_seconds_working) == (20.0, 25.0)
    assert (uploading.audio_seconds_per_second, uploading.oldest_wait_seconds) == (5.0, 1.5)
    assert decoding.audio_seconds_working == 15.0
    assert decoding.oldest_wait_seconds == 3.5


async def test_a_recording_of_unknown_duration_counts_as_a_typical_one(clock: Clock) -> None:
    slots = with_slots(1, clock)
    slot = await slots.acquire()
    assert slots.load().audio_seconds_working == 0.0
    slot.finished(40.0)
    slots.release(slot)

    await slots.acquire()
    await queued(slots)

    assert (slots.load().audio_seconds_working, slots.load().audio_seconds_waiting) == (40.0, 40.0)


async def test_separate_channels_count_each(clock: Clock) -> None:
    slots = with_slots(1, clock)
    slot = await slots.acquire(10.0)
    waiting = await queued(slots, 15.0, channels=2)

    slot.has_channels(3)
    slot.reached(4.0)

    assert (slots.load().audio_seconds_working, slots.load().audio_seconds_waiting) == (18.0, 30.0)
    slots.release(slot)
    second = await waiting
    assert second.audio_left == 30.0
    second.finished(12.0)
    slots.release(second)
    await slots.acquire()
    assert slots.load().audio_seconds_working == 24.0  # as typical


async def test_separate_channels_fill_the_queue(clock: Clock) -> None:
    slots = with_slots(1, clock, audio_seconds=50.0)
    await slots.acquire()
    await queued(slots, 20.0)

    with pytest.raises(Problem):
        await slots.acquire(20.0, channels=2)

    await queued(slots, 15.0, channels=2)


async def test_what_a_client_announced_is_not_learned(clock: Clock) -> None:
    slots = with_slots(1, clock)
    slots.release(await slots.acquire(9999.0))

    await slots.acquire()

    assert slots.load().audio_seconds_working == 0.0


@pytest.mark.parametrize("event", ["acquire", "wait", "leave", "channels", "progress", "finish", "release", "close"])
async def test_each_change_of_the_load_is_announced(clock: Clock, event: str) -> None:
    slots = with_slots(1, clock)
    slot = await slots.acquire()
    waiting = await queued(slots)
    if event == "acquire":
        slots = with_slots(1, clock)
    announced = asyncio.create_task(slots.change())
    await asyncio.sleep(0)

    match event:
        case "acquire":
            await slots.acquire()
        case "wait":
            await queued(slots)
        case "leave":
            waiting.cancel()
        case "channels":
            slot.has_channels(2)
        case "progress":
            slot.reached(1.0)
        case "finish":
            slot.finished(1.0)
        case "release":
            slots.release(slot)
        case _:
            slots.close()

    async with asyncio.timeout(5):
        await announced
    if event == "close":
        with pytest.raises(Problem):
            await waiting
