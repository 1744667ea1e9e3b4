"""What others say, asked in the background."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from fakes.faults import Answer
from fakes.ollama import FakeOllama
from speechoperator import external
from speechoperator.answers import Answers, Subject
from speechoperator.observed import Health, Key, Object
from speechoperator.ollama import Ollama

pytestmark = pytest.mark.unit

KEY, SUBJECT = Key("team", "p"), Subject("weather", "here")
LONG = 3600.0


class Bench:
    """Answers, and somebody who is asked: says what is next in `says`, the last one again and again."""

    def __init__(self) -> None:
        self.changes: list[Key] = []
        self._changed = asyncio.Event()
        self.answers = Answers(self._told)
        self.says: list[str | Exception] = ["sun"]
        self.asked = 0

    def _told(self, key: Key) -> None:
        self.changes.append(key)
        self._changed.set()

    async def ask(self) -> str:
        self.asked += 1
        said = self.says.pop(0) if len(self.says) > 1 else self.says[0]
        if isinstance(said, Exception):
            raise said
        return said

    def look(self, max_age: float = LONG, ask: Callable[[], Awaitable[str]] | None = None) -> tuple[str | None, object]:
        return self.answers.look(KEY, SUBJECT, ask or self.ask, lambda _: max_age)

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
    assert bench.look() == (None, None)
    await bench.news()
    answer, again = bench.look()
    assert answer == "sun"
    assert isinstance(again, float)
    assert LONG - (clock() - before) <= again <= LONG, "as long as the answer holds from when it came"
    assert bench.asked == 1


async def test_an_answer_that_is_too_old_is_asked_for_anew_and_only_another_one_is_news(bench: Bench) -> None:
    bench.says = ["sun", "sun", "rain"]
    bench.look()
    await bench.news()
    await bench.answers.ask_again(KEY, "weather")
    assert bench.changes == [KEY]
    assert bench.look(max_age=0)[0] == "sun", "a look does not wait"
    await bench.news()
    assert bench.look()[0] == "rain"


async def test_nobody_is_asked_twice_at_once(bench: Bench) -> None:
    asked, go = 0, asyncio.Event()

    async def slow() -> str:
        nonlocal asked
        asked += 1
        await go.wait()
        return "sun"

    for _ in range(3):
        bench.look(ask=slow)
        await asyncio.sleep(0)
    go.set()
    await bench.news()
    assert asked == 1


async def test_a_question_that_breaks_leaves_the_answer_before(bench: Bench) -> None:
    bench.says = ["sun", ZeroDivisionError()]
    bench.look()
    await bench.news()
    await bench.answers.ask_again(KEY, "weather")
    assert bench.look()[0] == "sun"


async def test_what_nobody_looks_at_any_more_is_forgotten(bench: Bench) -> None:
    bench.look()
    await bench.news()
    bench.answers.keep(KEY, ())
    assert bench.look() == (None, None)
    bench.answers.close()


def event(second: int, message: str, kind: str = "Warning", reason: str = "x") -> Object:
    at = f"2026-11-23T12:00:{second:02}Z"
    return {"type": kind, "reason": reason, "message": message, "lastTimestamp": at, "metadata": {}}


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ([], ""),
        ([event(1, "secret not found")], "secret not found"),
        ([event(1, "old"), event(2, "new")], "new"),
        ([event(1, "no node"), event(2, "pulling", "Normal")], ""),
        ([event(1, "pulling", "Normal"), event(1, "no image")], "no image"),
        ([event(1, "no class is set", "Normal", "FailedBinding")], "no class is set"),
        ([{"type": "Warning", "message": "a", "eventTime": "2026-11-23T12:00:01.5Z", "metadata": {}}], "a"),
    ],
)
def test_only_a_warning_that_is_the_last_word_counts(events: list[Object], said: str) -> None:
    assert external.newest_warning(events) == said


async def test_a_service_that_answers_is_healthy_whatever_it_says() -> None:
    async with FakeOllama() as service:
        assert await external.whisper(f"{service.url}/nothing", 5, answers_while_busy=True) == Health(healthy=True)
        service.script(Answer(502), only=lambda _: True)
        assert not (await external.whisper(service.url, 5, answers_while_busy=True)).healthy
        await service.go_away()
        gone = await external.whisper(service.url, 5, answers_while_busy=True)
        assert gone == Health(healthy=False, detail="Connection refused")


async def test_an_ollama_elsewhere_says_what_it_has_or_why_not() -> None:
    async with Ollama(timeout=5, stall_timeout=5) as client, FakeOllama() as service:
        assert (await external.ollama(client, service.url)).reachable
        await service.go_away()
        assert (await external.ollama(client, service.url)).detail == "Connection refused"
