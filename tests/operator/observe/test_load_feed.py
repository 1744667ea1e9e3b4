"""The streams of all pipelines: who is followed, when a pipeline is queued, and what happens to broken streams."""

import asyncio
import itertools
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from typing import Any

import pytest

from bridge import virtual_time
from fakes import load
from fakes.faults import status
from fakes.load import FakeLoad
from speechoperator.kube.objects import Key
from speechoperator.observe.egress import Egress
from speechoperator.observe.load_feed import LoadFeed, Source
from speechoperator.observe.load_reports import BridgeReport, Heard, Reporting
from speechoperator.observe.load_stream import LoadClient, LoadStreamError, NotReportedError
from speechoperator.plan.scaling.load import Report

pytestmark = pytest.mark.unit

KEY, OTHER = Key("team", "p"), Key("team", "other")
DEADLINE_S = 10.0
Queue = list[tuple[float, float]]


class ScriptedStreams:
    """Streams in virtual time: those of a pod play its `script`, one after the other; the last one stays open."""

    def __init__(self) -> None:
        self.script: dict[str, list[list[Any]]] = {}
        self.opened: list[tuple[float, str]] = []

    async def events(self, url: str) -> AsyncGenerator[Mapping[str, Any] | None]:
        self.opened.append((_time(), url))
        streams = self.script.get(url, [[]])
        items = streams.pop(0) if len(streams) > 1 else streams[0]
        for item in items:
            if isinstance(item, Exception):
                raise item
            if isinstance(item, float):
                await asyncio.sleep(item)
            else:
                yield item
        await asyncio.Event().wait()


class Bench:
    """A feed in virtual time; `queued` are the times at which the pipeline is to be reconciled."""

    def __init__(self, limit: int = 100) -> None:
        self.streams = ScriptedStreams()
        self.queued: list[float] = []
        self.feed = LoadFeed(self.streams, self._queue, limit, jitter=lambda: 0.0)

    def _queue(self, key: Key, seconds: float) -> None:
        assert key in {KEY, OTHER}
        self.queued.append(round(_time() + seconds, 3))

    def follow(self, *sources: Source) -> tuple[Heard, ...]:
        return self.feed.follow(KEY, sources)


def _time() -> float:
    return asyncio.get_running_loop().time()


def source(component: Reporting, name: str, *, url: str = "", ready: bool = True) -> Source:
    return Source(component, name, f"uid-{name}", url or f"http://{name}", ready)


BRIDGE, WHISPER = source("bridge", "b-0"), source("whisper", "w-0")


def bridge(**members: Any) -> dict[str, Any]:
    return {**load.BRIDGE, **members}


def in_virtual_time(test: Callable[[Bench], Any], limit: int = 100) -> None:
    async def run() -> None:
        bench = Bench(limit)
        await test(bench)
        bench.feed.close()

    virtual_time.run(run())


def test_the_first_report_of_a_pod_is_news() -> None:
    async def test(bench: Bench) -> None:
        bench.streams.script["http://w-0"] = [[{**load.WHISPER, "working": 2}]]
        assert bench.follow(WHISPER) == (Heard("whisper", "w-0", ready=True, awaited=True),)

        await virtual_time.passes(3)

        report = Report.parse({**load.WHISPER, "working": 2})
        assert bench.follow(WHISPER) == (Heard("whisper", "w-0", ready=True, report=report, age=3.0),)
        assert bench.queued == [0.0]

    in_virtual_time(test)


def test_a_steady_pipeline_is_not_queued_whatever_its_streams_repeat() -> None:
    async def test(bench: Bench) -> None:
        steady = [load.BRIDGE, *[15.0, None] * 100, *[1.0, load.BRIDGE] * 100]
        bench.streams.script["http://b-0"] = [steady]
        bench.follow(BRIDGE)

        await virtual_time.passes(2000)

        assert bench.queued == [0.0]
        (heard,) = bench.follow(BRIDGE)
        assert heard.age == pytest.approx(2000 - 1600)

    in_virtual_time(test)


def test_changes_are_queued_once_a_second() -> None:
    async def test(bench: Bench) -> None:
        changes = [item for working in range(50) for item in (bridge(working=working), 0.1)]
        bench.streams.script["http://b-0"] = [changes]
        bench.follow(BRIDGE)

        await virtual_time.passes(20)

        assert sorted(set(bench.queued)) == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]

    in_virtual_time(test)


@pytest.mark.parametrize("held", [{"held": 1}, {"ollama": {"held": 1, "waiting": 0, "working": 0}}])
def test_a_bridge_that_begins_to_hold_requests_is_queued_at_once(held: dict[str, Any]) -> None:
    async def test(bench: Bench) -> None:
        bench.streams.script["http://b-0"] = [[load.BRIDGE, 0.25, bridge(**held), 0.25, bridge(**held, working=1)]]
        bench.follow(BRIDGE)

        await virtual_time.passes(20)

        assert bench.queued == [0.0, 0.25, 1.25]

    in_virtual_time(test)


def test_of_a_bridge_whose_load_does_not_matter_only_another_list_of_models_is_news() -> None:
    async def test(bench: Bench) -> None:
        work = [item for working in range(50) for item in (bridge(held=1, working=working), 0.1)]
        bench.streams.script["http://b-0"] = [[*work, bridge(models_revision="1a2b")]]
        bench.follow(BRIDGE._replace(load=False))

        await virtual_time.passes(20)

        assert bench.queued == [0.0, 5.0]
        (heard,) = bench.follow(BRIDGE._replace(load=False))
        assert heard.report == BridgeReport(models_revision="1a2b")

    in_virtual_time(test)


def test_the_load_of_a_bridge_is_known_as_soon_as_it_matters() -> None:
    async def test(bench: Bench) -> None:
        bench.streams.script["http://b-0"] = [[bridge(held=1, models_revision="1a2b"), *[15.0, None] * 10]]
        bench.follow(BRIDGE._replace(load=False))
        await virtual_time.passes(100)

        (heard,) = bench.follow(BRIDGE)

        assert heard.report == BridgeReport.parse(bridge(held=1, models_revision="1a2b"))
        assert heard.fresh
        assert len(bench.streams.opened) == 1

    in_virtual_time(test)


def test_a_pod_that_does_not_answer_is_awaited_for_45_s_after_it_became_ready() -> None:
    async def test(bench: Bench) -> None:
        bench.streams.script["http://b-0"] = [[LoadStreamError("refused")]]
        bench.follow(BRIDGE._replace(ready=False))
        await virtual_time.passes(100)

        awaited = []
        for _ in range(3):
            awaited.append(bench.follow(BRIDGE)[0].awaited)
            await virtual_time.passes(40)

        assert awaited == [True, True, False]

    in_virtual_time(test)


def test_a_report_before_a_reconcile_is_due_queues_it_for_the_same_time() -> None:
    """A reconcile for another reason may have cancelled the timer; the queue keeps one timer for each pipeline."""

    async def test(bench: Bench) -> None:
        bench.streams.script["http://b-0"] = [[load.BRIDGE, 0.9, bridge(working=1), 0.05, bridge(working=2)]]
        bench.follow(BRIDGE)

        await virtual_time.passes(20)

        assert bench.queued == [0.0, 1.0, 1.0]

    in_virtual_time(test)


def test_a_broken_stream_is_opened_again_later_each_time_and_soon_after_a_report() -> None:
    async def test(bench: Bench) -> None:
        broken = LoadStreamError("broken")
        bench.streams.script["http://w-0"] = [[broken]] * 7 + [[load.WHISPER, broken], [broken], []]
        bench.follow(WHISPER)

        await virtual_time.passes(500)

        times = [time for time, _ in bench.streams.opened]
        pauses = [after - before for before, after in itertools.pairwise(times)]
        assert pauses == [1, 2, 4, 8, 16, 30, 30, 1, 2]

    in_virtual_time(test)


def test_a_pod_that_becomes_ready_is_asked_at_once() -> None:
    async def test(bench: Bench) -> None:
        bench.streams.script["http://w-0"] = [[LoadStreamError("refused")]] * 20 + [[load.WHISPER]]
        loading = WHISPER._replace(ready=False)
        bench.follow(loading)
        await virtual_time.passes(40)
        opened = len(bench.streams.opened)

        bench.follow(loading)
        await virtual_time.passes(0)
        assert len(bench.streams.opened) == opened
        bench.follow(WHISPER)
        await virtual_time.passes(0)

        assert len(bench.streams.opened) == opened + 1

    in_virtual_time(test)


def test_what_a_pod_reported_is_known_while_its_stream_is_opened_again() -> None:
    async def test(bench: Bench) -> None:
        bench.streams.script["http://w-0"] = [[load.WHISPER, LoadStreamError("broken")], [LoadStreamError("broken")]]
        bench.follow(WHISPER)
        await virtual_time.passes(10)

        (heard,) = bench.follow(WHISPER)

        assert (heard.report, heard.age) == (Report.parse(load.WHISPER), 10.0)

    in_virtual_time(test)


def test_a_pod_without_a_stream_is_asked_again_once_a_minute() -> None:
    async def test(bench: Bench) -> None:
        bench.streams.script["http://w-0"] = [[NotReportedError()], [NotReportedError()], [load.WHISPER]]
        bench.follow(WHISPER)
        await virtual_time.passes(30)
        assert bench.follow(WHISPER) == (Heard("whisper", "w-0", ready=True, reports=False),)

        await virtual_time.passes(100)

        (heard,) = bench.follow(WHISPER)
        assert heard.reports
        assert bench.queued == [0.0, 120.0]

    in_virtual_time(test)


def test_a_bug_in_reading_a_stream_is_logged_and_does_not_end_it(caplog: pytest.LogCaptureFixture) -> None:
    async def test(bench: Bench) -> None:
        bench.streams.script["http://w-0"] = [[ZeroDivisionError()], [load.WHISPER]]
        bench.follow(WHISPER)
        await virtual_time.passes(5)

        assert bench.follow(WHISPER)[0].report
        assert "stream of /load failed unexpectedly" in caplog.messages

    in_virtual_time(test)


def test_pods_that_are_gone_are_not_followed() -> None:
    async def test(bench: Bench) -> None:
        bench.follow(BRIDGE, WHISPER)
        assert len(bench.feed) == 2
        assert bench.follow(BRIDGE) == (Heard("bridge", "b-0", ready=True, awaited=True),)
        assert len(bench.feed) == 1

        bench.feed.forget(KEY)

        assert len(bench.feed) == 0
        await virtual_time.passes(0)
        assert len(asyncio.all_tasks()) == 1, "no task is left"

    in_virtual_time(test)


def test_a_pod_with_another_address_is_another_pod() -> None:
    async def test(bench: Bench) -> None:
        bench.follow(BRIDGE)
        await virtual_time.passes(1)
        bench.follow(BRIDGE._replace(url="http://elsewhere"))
        await virtual_time.passes(1)

        assert [url for _, url in bench.streams.opened] == ["http://b-0", "http://elsewhere"]
        assert len(bench.feed) == 1

    in_virtual_time(test)


def test_beyond_the_limit_pods_are_unknown_until_there_is_room(caplog: pytest.LogCaptureFixture) -> None:
    async def test(bench: Bench) -> None:
        bench.streams.script |= {"http://b-0": [[load.BRIDGE]], "http://w-0": [[load.WHISPER]]}
        bench.follow(BRIDGE, WHISPER)
        bench.follow(BRIDGE, WHISPER)
        await virtual_time.passes(1)

        assert [heard.report is None for heard in bench.follow(BRIDGE, WHISPER)] == [False, True]
        assert len([text for text in caplog.messages if "MAX_LOAD_STREAMS" in text]) == 1
        bench.follow(WHISPER)
        await virtual_time.passes(1)
        assert bench.follow(WHISPER)[0].report is not None

    in_virtual_time(test, limit=1)


def test_at_the_limit_a_pod_whose_load_matters_takes_the_place_of_one_whose_does_not() -> None:
    async def test(bench: Bench) -> None:
        other = source("bridge", "b-1")._replace(load=False)
        bench.streams.script["http://b-0"] = [[load.BRIDGE]]
        bench.feed.follow(OTHER, [other])
        bench.follow(BRIDGE)
        await virtual_time.passes(1)

        assert [heard.report is not None for heard in bench.follow(BRIDGE)] == [True]
        assert [heard.awaited for heard in bench.feed.follow(OTHER, [other])] == [False], "nothing waits for it"
        assert len(bench.feed) == 1

    in_virtual_time(test, limit=1)


@pytest.fixture
async def client() -> AsyncIterator[LoadClient]:
    async with LoadClient(Egress(())) as one:
        yield one


async def test_it_follows_real_pods_until_it_is_closed(client: LoadClient) -> None:
    news = asyncio.Event()
    feed = LoadFeed(client, lambda *_: news.set(), 100)
    async with FakeLoad(load.BRIDGE) as pod, FakeLoad(load.WHISPER) as whisper:
        whisper.script(status(503))
        sources = source("bridge", "b-0", url=pod.url), source("whisper", "w-0", url=whisper.url)

        def reports() -> list[Report | BridgeReport | None]:
            return [heard.report for heard in feed.follow(KEY, sources)]

        async with asyncio.timeout(DEADLINE_S):
            while None in reports():
                news.clear()
                await news.wait()
            news.clear()
            pod.report(held=1)
            await news.wait()
        assert reports() == [BridgeReport.parse(pod.load), Report.parse(whisper.load)]

        feed.close()

        await pod.until(lambda: pod.requests[-1].disconnected)
        await whisper.until(lambda: whisper.requests[-1].disconnected)
