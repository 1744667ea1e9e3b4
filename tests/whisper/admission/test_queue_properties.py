"""The queue under any order of arrivals, departures and releases, against a plain list of who should be where."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechwhisper.admission.slots import Bounds, Slot, Slots
from speechwhisper.errors import Problem

pytestmark = pytest.mark.unit

Step = tuple[str, int]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["arrive", "leave", "release", "leave and release", "release and leave"]), st.integers(0, 9)
    )
)


class Callers:
    """Requests at the slots, each named by its number; `asked` are those that were neither refused nor left."""

    def __init__(self, slots: Slots) -> None:
        self.slots = slots
        self.tasks: dict[int, asyncio.Task[Slot]] = {}
        self.seconds: dict[int, int] = {}
        self.served: list[int] = []
        self.holding: dict[int, Slot] = {}

    async def arrive(self, number: int, seconds: int) -> None:
        self.seconds[number] = seconds
        self.tasks[number] = asyncio.create_task(self.slots.acquire(float(seconds)))
        await self.settle()

    def leave(self, which: int) -> None:
        if self.waiting:
            self.tasks.pop(self.waiting[which % len(self.waiting)]).cancel()

    def release(self, which: int) -> None:
        if self.holding:
            number = sorted(self.holding)[which % len(self.holding)]
            self.slots.release(self.holding.pop(number))

    async def settle(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)
        for number, task in sorted(self.tasks.items()):
            if task.done():
                del self.tasks[number]
                with suppress(Problem):
                    self.holding[number] = await task
                    self.served.append(number)

    @property
    def waiting(self) -> list[int]:
        return sorted(self.tasks)


@given(STEPS, st.integers(1, 3), st.integers(0, 3), st.integers(0, 20))
def test_nothing_is_lost_overtaken_or_over_the_bounds(steps: list[Step], capacity: int, room: int, audio: int) -> None:
    async def run() -> None:
        slots = Slots(capacity, Bounds(room, audio), lambda: 0.0)
        callers = Callers(slots)
        for number, (action, which) in enumerate(steps):
            match action:
                case "arrive":
                    await callers.arrive(number, which)
                case "leave":
                    callers.leave(which)
                case "release":
                    callers.release(which)
                case "leave and release":
                    callers.leave(which)
                    callers.release(which)
                case _:
                    callers.release(which)
                    callers.leave(which)
            await callers.settle()
            load = slots.load()

            assert load.working == len(callers.holding) <= capacity
            assert load.waiting == len(callers.waiting) <= room
            assert load.waiting == 0 or load.working == capacity
            assert load.audio_seconds_waiting == sum(callers.seconds[number] for number in callers.waiting)
            assert load.waiting <= 1 or not audio or load.audio_seconds_waiting <= audio
            assert callers.served == sorted(callers.served)

    asyncio.run(run())
