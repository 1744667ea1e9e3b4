"""Canary requests run in the background, one per pipeline and a few at a time."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from speechoperator.canary.request import Measured
from speechoperator.canary.runs import Canaries
from speechoperator.kube.objects import Key
from speechoperator.plan.actions import StartCanary
from speechoperator.plan.snapshot import Canary

pytestmark = pytest.mark.unit

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
KEY = Key("team", "calls")


class Bridges:
    """Answers when the test says so."""

    def __init__(self) -> None:
        self.urls: list[str] = []
        self.answers: asyncio.Queue[Measured | Exception] = asyncio.Queue()
        self.asked = asyncio.Event()
        self.received: asyncio.Queue[str] = asyncio.Queue()

    async def send(self, url: str) -> Measured:
        self.urls.append(url)
        self.asked.set()
        self.received.put_nowait(url)
        answer = await self.answers.get()
        if isinstance(answer, Exception):
            raise answer
        return answer


def runs(bridges: Bridges) -> tuple[Canaries, asyncio.Queue[Key]]:
    changed: asyncio.Queue[Key] = asyncio.Queue()
    return Canaries(changed.put_nowait, lambda: NOON, bridges.send), changed


async def test_the_result_is_kept_and_the_pipeline_is_told() -> None:
    bridges = Bridges()
    canaries, changed = runs(bridges)
    canaries.start(KEY, StartCanary("http://bridge", "v1"))
    assert canaries.of(KEY) == Canary("v1", running=True)

    bridges.answers.put_nowait(Measured(whisper_s=1, llm_s=2, total_s=3))
    assert await asyncio.wait_for(changed.get(), 5) == KEY

    assert canaries.of(KEY) == Canary("v1", ended=NOON, whisper_s=1, llm_s=2, total_s=3)
    canaries.start(KEY, StartCanary("http://bridge", "v1"))
    assert canaries.of(KEY) == Canary("v1", running=True, ended=NOON, whisper_s=1, llm_s=2, total_s=3)
    canaries.start(KEY, StartCanary("http://bridge", "v2"))
    assert canaries.of(KEY) == Canary("v2", running=True)
    canaries.close()


async def test_a_bug_is_a_failure() -> None:
    bridges = Bridges()
    canaries, changed = runs(bridges)
    canaries.start(KEY, StartCanary("http://bridge", "v1"))
    bridges.answers.put_nowait(ValueError("bug"))
    await asyncio.wait_for(changed.get(), 5)

    found = canaries.of(KEY)
    assert found
    assert (found.running, found.error) == (False, "the operator failed to send it; see its log")


async def test_only_a_few_are_on_their_way() -> None:
    bridges = Bridges()
    canaries, changed = runs(bridges)
    keys = [Key("team", f"p{number}") for number in range(9)]
    for key in keys:
        canaries.start(key, StartCanary(f"http://{key.name}", "v1"))
    await asyncio.wait_for(bridges.asked.wait(), 5)
    await asyncio.sleep(0)
    assert len(bridges.urls) == 8

    for _ in keys:
        bridges.answers.put_nowait(Measured())
    assert {await asyncio.wait_for(changed.get(), 5) for _ in keys} == set(keys)


async def test_one_that_hangs_does_not_hold_up_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("speechoperator.canary.runs._MAX_TURN_S", 0.01)
    bridges = Bridges()
    canaries, changed = runs(bridges)
    keys = [Key("team", f"p{number}") for number in range(9)]
    for key in keys:
        canaries.start(key, StartCanary(f"http://{key.name}", "v1"))
    for _ in keys:
        await asyncio.wait_for(bridges.received.get(), 5)

    bridges.answers.put_nowait(Measured(total_s=70))
    found = canaries.of(await asyncio.wait_for(changed.get(), 5))
    assert found
    assert found.total_s == 70, "it is still waited for"
    canaries.close()


async def test_failures_in_a_row_are_counted() -> None:
    bridges = Bridges()
    canaries, changed = runs(bridges)
    counts = []
    for measured in (Measured("broken"), Measured("late", timed_out=True), Measured(), Measured("broken")):
        canaries.start(KEY, StartCanary("http://bridge", "v1"))
        bridges.answers.put_nowait(measured)
        await asyncio.wait_for(changed.get(), 5)
        found = canaries.of(KEY)
        assert found
        counts.append((found.failures, found.timed_out))

    assert counts == [(1, False), (2, True), (0, False), (1, False)]


async def test_a_pipeline_that_is_gone_is_forgotten() -> None:
    bridges = Bridges()
    canaries, changed = runs(bridges)
    canaries.start(KEY, StartCanary("http://bridge", "v1"))
    await asyncio.wait_for(bridges.asked.wait(), 5)
    canaries.forget(KEY)
    bridges.answers.put_nowait(Measured())
    await asyncio.sleep(0)

    assert canaries.of(KEY) is None
    assert changed.empty()
