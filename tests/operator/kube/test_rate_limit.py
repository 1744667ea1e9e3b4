"""The limit on requests to the API server: client-go's token bucket, with the Lease and statuses first."""

import asyncio

import pytest

from speechoperator.kube.rate_limit import Priority, RateLimit

pytestmark = pytest.mark.unit


class Clock:
    """The event loop's time, which passes only by `later`; timers are called when their time has come."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        loop = asyncio.get_running_loop()
        monkeypatch.setattr(loop, "time", lambda: self.now)

    async def later(self, seconds: float) -> None:
        self.now += seconds
        for _ in range(5):
            await asyncio.sleep(0)


class Requests:
    """Requests that wait for their turn; `sent` are those that had it, in that order."""

    def __init__(self, limit: RateLimit) -> None:
        self.limit = limit
        self.sent: list[str] = []
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def add(self, name: str, priority: Priority = Priority.NORMAL) -> None:
        self.tasks[name] = asyncio.create_task(self._send(name, priority))
        await asyncio.sleep(0)

    async def _send(self, name: str, priority: Priority) -> None:
        await self.limit.wait(priority)
        self.sent.append(name)


@pytest.fixture
async def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


async def test_a_burst_goes_at_once_and_the_rest_at_the_rate(clock: Clock) -> None:
    requests = Requests(RateLimit(per_second=2, burst=3))
    for name in "abcde":
        await requests.add(name)
    assert requests.sent == ["a", "b", "c"]
    assert requests.limit.waiting == 2
    await clock.later(0.5)
    assert requests.sent == ["a", "b", "c", "d"]
    await clock.later(0.5)
    assert requests.sent == ["a", "b", "c", "d", "e"]


async def test_what_was_not_used_is_kept_up_to_a_burst(clock: Clock) -> None:
    requests = Requests(RateLimit(per_second=2, burst=3))
    await requests.add("a")
    await clock.later(3600)
    for name in "bcdef":
        await requests.add(name)
    assert requests.sent == ["a", "b", "c", "d"]
    await clock.later(1)


async def test_a_status_goes_before_other_requests_and_the_lease_does_not_wait(clock: Clock) -> None:
    requests = Requests(RateLimit(per_second=1, burst=1))
    for name in ("a", "b", "c"):
        await requests.add(name)
    await requests.add("status", Priority.STATUS)
    await requests.add("lease", Priority.LEASE)
    assert requests.sent == ["a", "lease"]
    await clock.later(1)
    assert requests.sent == ["a", "lease"], "its token had to be made up for"
    for _ in range(3):
        await clock.later(1)
    assert requests.sent == ["a", "lease", "status", "b", "c"]


async def test_a_request_that_is_given_up_takes_no_turn(clock: Clock) -> None:
    requests = Requests(RateLimit(per_second=1, burst=1))
    for name in ("a", "b", "c"):
        await requests.add(name)
    requests.tasks["b"].cancel()
    await clock.later(1)
    assert requests.sent == ["a", "c"]
    assert requests.limit.waiting == 0
