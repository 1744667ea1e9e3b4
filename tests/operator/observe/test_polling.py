"""Background polling: a reconcile reads the latest result and never waits."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from speechoperator.kube.objects import Key
from speechoperator.observe.polling import Polled, Poller, Target

pytestmark = pytest.mark.unit

KEY, TARGET = Key("team", "p"), Target("weather", "here")
LONG = 3600.0


class Bench:
    """A poller, and a service that returns the next of `says`, the last one repeatedly."""

    def __init__(self) -> None:
        self.changes: list[Key] = []
        self._changed = asyncio.Event()
        self.poller = Poller(self._on_change)
        self.says: list[str | Exception] = ["sun"]
        self.fetched = 0

    def _on_change(self, key: Key) -> None:
        self.changes.append(key)
        self._changed.set()

    async def fetch(self) -> str:
        self.fetched += 1
        said = self.says.pop(0) if len(self.says) > 1 else self.says[0]
        if isinstance(said, Exception):
            raise said
        return said

    def latest(self, max_age: float = LONG, fetch: Callable[[], Awaitable[str]] | None = None) -> Polled[str]:
        return self.poller.latest(KEY, TARGET, fetch or self.fetch, lambda _: max_age)

    async def news(self) -> None:
        async with asyncio.timeout(5):
            await self._changed.wait()
        self._changed.clear()


@pytest.fixture
async def bench() -> Bench:
    return Bench()


async def test_the_first_look_asks_and_does_not_wait(bench: Bench) -> None:
    clock = asyncio.get_running_loop().time
    before = clock()
    assert bench.latest() == Polled()
    await bench.news()
    polled = bench.latest()
    assert polled.result == "sun"
    assert isinstance(polled.due, float)
    assert LONG - (clock() - before) <= polled.due <= LONG, "valid as long as agreed, from when it came"
    assert bench.fetched == 1


async def test_an_answer_that_is_too_old_is_asked_for_anew_and_only_another_one_is_news(bench: Bench) -> None:
    bench.says = ["sun", "sun", "rain"]
    bench.latest()
    await bench.news()
    await bench.poller.refresh(KEY, "weather")
    assert bench.changes == [KEY]
    assert bench.latest(max_age=0).result == "sun", "reading does not wait"
    await bench.news()
    assert bench.latest().result == "rain"


async def test_nobody_is_asked_twice_at_once(bench: Bench) -> None:
    asked, go = 0, asyncio.Event()

    async def slow() -> str:
        nonlocal asked
        asked += 1
        await go.wait()
        return "sun"

    for _ in range(3):
        bench.latest(fetch=slow)
        await asyncio.sleep(0)
    go.set()
    await bench.news()
    assert asked == 1


async def test_a_question_that_breaks_leaves_the_answer_before(bench: Bench) -> None:
    bench.says = ["sun", ZeroDivisionError()]
    bench.latest()
    await bench.news()
    await bench.poller.refresh(KEY, "weather")
    assert bench.latest().result == "sun"


async def test_a_first_question_that_breaks_is_asked_again(bench: Bench) -> None:
    """It has no answer, and nothing may be read from the lack of one."""
    bench.says = [ZeroDivisionError(), "sun"]
    bench.latest()
    await bench.news()
    ages: list[str] = []
    polled = bench.poller.latest(KEY, TARGET, bench.fetch, lambda result: ages.append(result) or LONG)
    assert polled.result is None
    assert polled.due is not None
    assert 0 < polled.due <= 2, "soon"
    assert ages == []
    await bench.poller.refresh(KEY, "weather")
    assert bench.changes == [KEY, KEY]
    assert bench.latest().result == "sun"


async def test_what_fails_is_asked_less_often_the_longer_it_fails(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("speechoperator.observe.polling._now", lambda: now)
    bench.says = ["storm"]
    intervals = []
    for _ in range(20):
        await bench.poller.refresh(KEY, "weather")
        polled = bench.poller.latest(KEY, TARGET, bench.fetch, lambda _: LONG, lambda said: said == "storm")
        if polled.due is None:
            await bench.news()
            continue
        intervals.append(polled.due)
        now += polled.due
    assert intervals[0] == 2
    assert intervals == sorted(intervals)
    assert intervals[-1] == 30
    bench.says = ["sun"]
    await bench.poller.refresh(KEY, "weather")
    assert bench.latest() == Polled("sun", LONG)


async def test_what_is_known_to_have_changed_is_asked_at_once(bench: Bench) -> None:
    bench.latest()
    await bench.news()
    bench.says = ["rain"]
    bench.poller.latest(KEY, TARGET, bench.fetch, lambda _: LONG, version="evening")
    await bench.news()
    assert bench.poller.latest(KEY, TARGET, bench.fetch, lambda _: LONG, version="evening").result == "rain"
    assert bench.fetched == 2


async def test_a_poll_that_runs_when_a_change_becomes_known_is_followed_by_another(bench: Bench) -> None:
    bench.latest()
    await bench.news()
    go = asyncio.Event()

    async def slow() -> str:
        await go.wait()
        return "clouds"

    bench.latest(max_age=0, fetch=slow)
    await asyncio.sleep(0)
    bench.says = ["rain"]
    polled = bench.poller.latest(KEY, TARGET, bench.fetch, lambda _: LONG, version="evening")
    assert polled.due == 2, "looked at again soon"
    go.set()
    for said in ("clouds", "rain"):
        await bench.news()
        found = bench.poller.latest(KEY, TARGET, bench.fetch, lambda _: LONG, version="evening")
        assert found.result == said


async def test_what_nobody_looks_at_any_more_is_forgotten(bench: Bench) -> None:
    bench.latest()
    await bench.news()
    bench.poller.forget(KEY)
    assert bench.latest() == Polled()
    bench.poller.close()
