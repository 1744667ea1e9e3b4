"""How many requests are in flight, and how many wait."""

import asyncio

import pytest

from bridge.running import Bridge, StartBridge
from fakes.gates import Point
from fakes.ollama import FakeOllama
from fakes.whisper import FakeAsrWebservice
from speechbridge.admission.queue import Admission
from speechbridge.errors import Problem
from speechbridge.wait_budget import WaitBudget

pytestmark = pytest.mark.unit


def admission(limit: int = 1, queue: int = 1, seconds: int = 7) -> Admission:
    return Admission(limit, queue, lambda _: seconds)


def budget(queue: float = 5.0) -> WaitBudget:
    return WaitBudget(queue, hold=5.0)


async def until(condition: object, value: int) -> None:
    async with asyncio.timeout(5):
        while condition() != value:  # type: ignore[operator]  # noqa: ASYNC110 - admission has no event for it
            await asyncio.sleep(0)


async def test_lets_in_as_many_as_it_may_and_queues_the_rest_in_their_order() -> None:
    door = admission(limit=2, queue=10)
    served: list[int] = []
    leave = asyncio.Event()

    async def request(number: int) -> None:
        async with door.admit(budget()):
            served.append(number)
            await leave.wait()

    tasks = []
    for number in range(6):
        tasks.append(asyncio.create_task(request(number)))
        await until(lambda: door.in_flight + door.queued, number + 1)
    assert (door.in_flight, door.queued, served) == (2, 4, [0, 1])
    leave.set()
    await asyncio.gather(*tasks)

    assert served == [0, 1, 2, 3, 4, 5]
    assert (door.in_flight, door.queued) == (0, 0)


async def test_beyond_the_queue_it_refuses_and_says_when_to_come_back() -> None:
    door = admission()
    async with door.admit(budget()):
        queued = asyncio.create_task(anext_turn(door))
        await until(lambda: door.queued, 1)

        with pytest.raises(Problem) as refused:
            async with door.admit(budget()):
                pass

    assert (refused.value.code, refused.value.retry_after) == ("overloaded", 7)
    await queued


async def anext_turn(door: Admission, waits: WaitBudget | None = None) -> None:
    async with door.admit(waits or budget()):
        pass


async def test_who_waits_too_long_is_refused() -> None:
    door = admission()
    waits = budget(0.01)

    async with door.admit(budget()):
        with pytest.raises(Problem) as refused:
            await anext_turn(door, waits)

    assert refused.value.code == "overloaded"
    assert waits.queue < 0.001  # the clock may be a little slow
    assert (door.in_flight, door.queued) == (0, 0)


async def test_who_leaves_the_queue_gives_up_his_place() -> None:
    door = admission(queue=2)
    async with door.admit(budget()):
        gone = asyncio.create_task(anext_turn(door))
        await until(lambda: door.queued, 1)
        stays = asyncio.create_task(anext_turn(door))
        await until(lambda: door.queued, 2)
        gone.cancel()
        await until(lambda: door.queued, 1)

    await stays
    assert door.in_flight == 0


async def test_who_leaves_in_the_moment_of_his_turn_gives_it_to_the_next() -> None:
    door = admission(queue=2)
    tasks = []
    async with door.admit(budget()):
        for number in range(2):
            tasks.append(asyncio.create_task(anext_turn(door)))
            await until(lambda: door.queued, number + 1)
    tasks[0].cancel()

    await tasks[1]
    await door.drained()
    assert door.in_flight == 0


async def test_stopping_refuses_new_ones_and_lets_the_queue_finish() -> None:
    door = admission()
    async with door.admit(budget()):
        queued = asyncio.create_task(anext_turn(door))
        await until(lambda: door.queued, 1)
        door.stopping = True
        with pytest.raises(Problem) as refused:
            door.arrive()
        drained = asyncio.create_task(door.drained())

    await queued
    await drained
    assert refused.value.code == "stopping"


# Over HTTP.


async def test_requests_beyond_the_limit_wait_and_beyond_the_queue_are_503(
    start_bridge: StartBridge, asr: FakeAsrWebservice, ollama: FakeOllama
) -> None:
    bridge = await start_bridge(
        whisper_url=asr.url, ollama_url=ollama.url, max_concurrent_requests=1, max_queued_requests=1, queue_timeout=5
    )
    gate = asr.hold(Point.BEFORE_ANSWER)
    first = asyncio.create_task(bridge.json())
    await gate.reached()
    second = asyncio.create_task(bridge.json())
    await bridge.until(lambda: bridge.service.admission.queued == 1)

    async with await bridge.process() as refused:
        answer = await refused.json()
    gate.release()

    assert (refused.status, answer["code"]) == (503, "overloaded")
    assert int(refused.headers["Retry-After"]) >= 1
    assert [(await task)[0] for task in (first, second)] == [200, 200]
    assert (await second)[1]["timings"]["queue_ms"] >= 0


async def test_a_whisper_pod_works_on_one_request_at_a_time(bridge: Bridge, asr: FakeAsrWebservice) -> None:
    gate = asr.hold(Point.BEFORE_ANSWER)
    asking = [asyncio.create_task(bridge.json()) for _ in range(3)]
    await bridge.until(lambda: bridge.service.whisper.waiting == 2)
    await gate.reached()

    assert len(asr.work) == 1
    gate.release()

    assert [(await task)[0] for task in asking] == [200, 200, 200]


async def test_the_deadline_holds_in_the_queue_too(
    start_bridge: StartBridge, asr: FakeAsrWebservice, ollama: FakeOllama
) -> None:
    bridge = await start_bridge(
        whisper_url=asr.url, ollama_url=ollama.url, max_concurrent_requests=1, queue_timeout=5, request_timeout=0.2
    )
    asr.hold(Point.BEFORE_ANSWER)

    answers = await asyncio.gather(bridge.json(), bridge.json())

    assert [(got, answer["code"]) for got, answer in answers] == [(504, "deadline_exceeded")] * 2


async def test_a_free_slot_is_taken_without_a_wait_and_given_back() -> None:
    door = admission(limit=2)
    slots = [door.admit(budget(), caller) for caller in ("a", "b")]

    for slot in slots:
        assert not door.full
        slot.take_now()

    assert (door.full, door.in_flight, slots[0].waited) == (True, 2, 0.0)
    for slot in (*slots, slots[0]):  # giving it twice gives it once
        slot.give()
    assert (door.full, door.in_flight) == (False, 0)
    async with asyncio.timeout(5):
        await door.drained()
