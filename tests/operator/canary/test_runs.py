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

    async def send(self, url: str) -> Measured:
        self.urls.append(url)
        self.asked.set()
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
    assert len(bridges.urls) == 4

    for _ in keys:
        bridges.answers.put_nowait(Measured())
    assert {await asyncio.wait_for(changed.get(), 5) for _ in keys} == set(keys)


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
