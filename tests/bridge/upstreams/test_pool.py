"""Which pod gets a request, which requests wait for one, and which pods are ejected."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from bridge.running import lead_to
from speechbridge.upstreams import pods as pods_module
from speechbridge.upstreams.acquisition import PodRequest
from speechbridge.upstreams.discovery import origin_of
from speechbridge.upstreams.endpoint import Endpoint
from speechbridge.upstreams.failures import FailureKind, UpstreamError
from speechbridge.upstreams.load import Load
from speechbridge.upstreams.pods import PoolOptions
from speechbridge.upstreams.pool import Pool
from speechbridge.wait_budget import WaitBudget

pytestmark = pytest.mark.unit

Make = Callable[..., Any]
NONE: frozenset[Endpoint] = frozenset()
BUSY = UpstreamError(FailureKind.BUSY, "busy")


@pytest.fixture
async def make() -> AsyncIterator[Make]:
    """Make a pool of so many pods."""
    pools: list[Pool] = []

    async def make(pods: int, *, slots: int | None = 1, **more: Any) -> Pool:
        async def nothing(_host: str, _port: int) -> frozenset[str]:
            return frozenset()

        options = PoolOptions(slots, 3600, connect_timeout=1, keepalive_timeout=4, **more)
        pool = Pool("http://pods.test:9000", options, resolver=nothing)
        pools.append(pool)
        await lead_to(pool, *(f"10.0.0.{number}" for number in range(pods)))
        return pool

    yield make
    for pool in pools:
        pool.close()


def budget(*, queue: float = 5.0, hold: float = 0.05) -> WaitBudget:
    """Short times, so that a test sees the end of a wait."""
    return WaitBudget(queue, hold)


async def take(
    pool: Pool,
    avoid: frozenset[Endpoint] = NONE,
    prefer: Endpoint | None = None,
    *,
    within: WaitBudget | None = None,
    retry: bool = False,
) -> Endpoint:
    return await pool.acquire(PodRequest(within or budget(), avoid, prefer, retry)).__aenter__()


def release(pool: Pool, pod: Endpoint, error: BaseException | None = None) -> None:
    pool.release(pod, PodRequest(budget()), error)


async def waiting(pool: Pool, count: int) -> None:
    async with asyncio.timeout(5):
        while pool.waiting != count:  # noqa: ASYNC110 - the pool has no event for it
            await asyncio.sleep(0)


async def test_the_pod_with_the_least_work_is_next(make: Make) -> None:
    pool = await make(3, slots=None)

    first = [await take(pool) for _ in range(3)]
    assert len(set(first)) == 3
    release(pool, first[1])

    assert await take(pool) is first[1]


async def test_of_equally_busy_pods_the_one_used_least_lately_is_next(make: Make) -> None:
    pool = await make(3, slots=None)
    order = []
    for number in range(3):
        endpoint = await take(pool)
        endpoint.last_used = float(number)
        order.append(endpoint)
    for endpoint in order:
        release(pool, endpoint)

    assert await take(pool) is order[0]


async def test_a_pod_gets_one_request_at_a_time(make: Make) -> None:
    pool = await make(2)
    held = [await take(pool), await take(pool)]

    third = asyncio.create_task(take(pool))
    await waiting(pool, 1)
    assert not third.done()
    release(pool, held[0])

    assert await third is held[0]


async def test_a_pod_that_names_more_slots_gets_more(make: Make) -> None:
    pool = await make(1)
    pool.endpoints[0].adopt(Load(slots=3))

    assert [await take(pool) for _ in range(3)] == [pool.endpoints[0]] * 3
    assert pool.slots == 3


async def test_who_came_first_is_served_first(make: Make) -> None:
    pool = await make(1)
    pod = await take(pool)
    served: list[int] = []

    async def wait(number: int) -> None:
        await take(pool)
        served.append(number)

    tasks = []
    for number in range(5):
        tasks.append(asyncio.create_task(wait(number)))
        await waiting(pool, number + 1)
    for task in tasks:
        release(pool, pod)
        await task

    assert served == [0, 1, 2, 3, 4]


async def test_nobody_overtakes_those_who_wait(make: Make) -> None:
    pool = await make(1)
    pod = await take(pool)
    first = asyncio.create_task(take(pool))
    await waiting(pool, 1)

    release(pool, pod)
    second = asyncio.create_task(take(pool))
    await waiting(pool, 1)

    assert await first is pod
    assert not second.done()
    release(pool, pod)
    assert await second is pod


async def test_the_pod_that_has_read_the_prompt_is_preferred_while_it_is_not_much_busier(make: Make) -> None:
    pool = await make(2, slots=None)
    one, other = pool.endpoints

    assert await take(pool, prefer=one) is one
    assert await take(pool, prefer=one) is one
    assert await take(pool, prefer=one) is other


async def test_a_pod_that_failed_at_this_request_is_avoided_while_another_is_there(make: Make) -> None:
    pool = await make(2)
    bad, good = pool.endpoints

    assert await take(pool, frozenset({bad})) is good
    again = asyncio.create_task(take(pool, frozenset({bad})))
    await waiting(pool, 1)
    assert not again.done()  # the other one will be free: worth the wait
    release(pool, good)

    assert await again is good


async def test_a_pod_that_failed_at_this_request_is_not_preferred(make: Make) -> None:
    pool = await make(2, slots=None)
    failed, other = pool.endpoints

    assert await take(pool, frozenset({failed}), prefer=failed) is other


async def test_the_only_pod_is_asked_again(make: Make) -> None:
    pool = await make(1)

    assert await take(pool, frozenset(pool.endpoints)) is pool.endpoints[0]


@pytest.mark.parametrize("kind", [FailureKind.DIED, FailureKind.BAD_ANSWER, FailureKind.BUSY])
async def test_a_pod_that_failed_rests_for_a_moment(make: Make, kind: FailureKind) -> None:
    pool = await make(1, slots=None)
    pod = await take(pool)
    before = asyncio.get_running_loop().time()

    release(pool, pod, UpstreamError(kind, "it failed"))

    assert pod.health.ejected_until > before
    assert await take(pool, within=budget(hold=5.0)) is pod


@pytest.mark.parametrize(
    "error",
    [
        UpstreamError(FailureKind.BAD_AUDIO, "no audio"),
        UpstreamError(FailureKind.ERROR, "a complete 500"),
        UpstreamError(FailureKind.DIED, "closed while idle", stale=True),
        ValueError("not the pod's fault"),
        asyncio.CancelledError(),
    ],
)
async def test_what_is_not_the_pods_state_does_not_put_it_aside(make: Make, error: BaseException) -> None:
    pool = await make(1)
    pod = await take(pool)

    release(pool, pod, error)

    assert (pod.health.ejected_until, pod.outstanding) == (0.0, 0)


async def test_a_request_that_is_tried_again_has_waited_already(make: Make) -> None:
    pool = await make(1)
    pod = await take(pool)
    later = asyncio.create_task(take(pool))
    await waiting(pool, 1)

    release(pool, pod, BUSY)
    again = asyncio.create_task(take(pool, retry=True))

    assert await again is pod
    assert not later.done()
    release(pool, pod)
    assert await later is pod


async def test_a_busy_pod_is_asked_by_one_request_at_a_time_until_it_has_room(make: Make) -> None:
    pool = await make(1, slots=None)
    pod = await take(pool)
    release(pool, pod, BUSY)
    tasks = [asyncio.create_task(take(pool)) for _ in range(3)]

    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    assert pod.outstanding == 1
    release(pool, pod)

    assert await asyncio.gather(*tasks) == [pod] * 3
    assert not pod.health.busy


async def test_a_pod_that_failed_is_taken_after_all_when_no_other_gets_free(make: Make) -> None:
    pool = await make(2)
    failed, held = pool.endpoints
    assert await take(pool, frozenset({failed})) is held

    assert await take(pool, frozenset({failed})) is failed


async def test_without_a_pod_one_is_waited_for_and_then_it_cannot_be_reached(make: Make) -> None:
    pool = await make(0)

    with pytest.raises(UpstreamError) as error:
        await take(pool)

    assert error.value.kind is FailureKind.CONNECT
    assert pool.waiting == 0


async def test_when_all_are_busy_for_too_long_they_are_busy(make: Make) -> None:
    pool = await make(1)
    await take(pool)

    with pytest.raises(UpstreamError) as error:
        await take(pool, within=budget(queue=0.05))

    assert error.value.kind is FailureKind.BUSY
    assert pool.waiting == 0


async def test_a_pod_that_appears_takes_what_waits(make: Make) -> None:
    pool = await make(0)
    held = asyncio.create_task(take(pool, within=budget(hold=5.0)))
    await waiting(pool, 1)

    await lead_to(pool, "10.0.0.9")

    assert (await held).address == "10.0.0.9"


async def test_a_pod_that_leaves_finishes_what_it_has_and_gets_no_more(make: Make) -> None:
    pool = await make(2)
    one, other = pool.endpoints
    assert await take(pool, frozenset({other})) is one

    await lead_to(pool, other.address)
    release(pool, one)

    assert pool.endpoints == (other,)
    assert await take(pool) is other


async def test_a_name_server_that_does_not_answer_changes_nothing(make: Make) -> None:
    pool = await make(2)

    async def down(_host: str, _port: int) -> frozenset[str]:
        raise socket.gaierror(socket.EAI_AGAIN, "try again")

    pool.pods.resolve = down
    await pool.refresh()

    assert len(pool.endpoints) == 2


async def test_who_leaves_the_queue_leaves_no_pod_behind(make: Make) -> None:
    pool = await make(1)
    pod = await take(pool)
    gone, stays = asyncio.create_task(take(pool)), asyncio.create_task(take(pool))
    await waiting(pool, 2)

    gone.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await gone
    release(pool, pod)

    assert await stays is pod
    assert pod.outstanding == 1


async def test_who_leaves_in_the_moment_of_his_turn_gives_the_pod_to_the_next(make: Make) -> None:
    pool = await make(1)
    pod = await take(pool)
    gone, stays = asyncio.create_task(take(pool)), asyncio.create_task(take(pool))
    await waiting(pool, 2)

    release(pool, pod)
    gone.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await gone

    assert await stays is pod
    assert pod.outstanding == 1


async def test_a_pod_is_released_however_the_block_ends(make: Make) -> None:
    pool = await make(1)

    acquisition = pool.acquire(PodRequest(budget()))
    pod = await acquisition.__aenter__()
    assert pod.outstanding == 1
    await acquisition.__aexit__(ValueError, ValueError("oh"))

    assert pod.outstanding == 0


async def test_waits_of_one_request_share_its_budget(make: Make) -> None:
    pool = await make(1)
    await take(pool)
    waits = budget(queue=0.05)
    with pytest.raises(UpstreamError):
        await take(pool, within=waits)

    left = waits.queue
    assert left <= 0
    with pytest.raises(UpstreamError) as error:
        await take(pool, within=waits)
    assert (error.value.kind, waits.queue) == (FailureKind.BUSY, left)  # without another wait


async def test_a_wait_in_favour_of_another_pod_spends_what_it_may_be_held(make: Make) -> None:
    pool = await make(2)
    failed, held = pool.endpoints
    assert await take(pool, frozenset({failed})) is held
    waits = budget()

    assert await take(pool, frozenset({failed}), within=waits) is failed

    assert waits.hold <= 0 < waits.queue


async def test_a_free_pod_costs_no_budget(make: Make) -> None:
    pool = await make(1)
    waits = budget(queue=0.0, hold=0.0)

    assert await take(pool, within=waits) is pool.endpoints[0]

    assert waits == budget(queue=0.0, hold=0.0)


# Pods that leave, return, are down, or fail.


async def test_a_pod_that_leaves_and_returns_while_in_use_still_has_its_request(make: Make) -> None:
    pool = await make(2)
    one, other = pool.endpoints
    assert await take(pool, frozenset({other})) is one

    await lead_to(pool, other.address)
    await lead_to(pool, one.address, other.address)

    assert one in pool.endpoints
    assert await take(pool) is other
    waiting_for_one = asyncio.create_task(take(pool))
    await waiting(pool, 1)
    release(pool, one)
    assert await waiting_for_one is one


async def test_a_pod_that_left_without_a_request_is_another_pod_when_it_returns(make: Make) -> None:
    pool = await make(1)
    (one,) = pool.endpoints

    await lead_to(pool)
    await lead_to(pool, one.address)

    assert pool.endpoints[0] is not one


async def test_a_pod_that_is_down_gets_no_request_until_a_connection_succeeds(make: Make) -> None:
    pool = await make(2)
    down, up = pool.endpoints
    tried = asyncio.Event()
    reachable = asyncio.Event()

    async def connect() -> Any:
        tried.set()
        if not reachable.is_set():
            raise UpstreamError(FailureKind.CONNECT, "the connection timed out")
        down.health.connected(pool.time())
        pool.pods._on_change()

    down.probe = connect
    assert await take(pool, frozenset({up})) is down
    release(pool, down, UpstreamError(FailureKind.CONNECT, "the connection timed out"))
    await tried.wait()

    assert await take(pool) is up
    next_one = asyncio.create_task(take(pool))
    await waiting(pool, 1)
    tried.clear()
    await tried.wait()
    assert not next_one.done()
    reachable.set()
    assert await next_one is down


async def test_a_pod_that_does_not_accept_costs_one_request_its_time_not_every_one(make: Make) -> None:
    pool = await make(0, slots=None)
    with socket.socket() as black_hole:
        black_hole.bind(("127.0.0.1", 0))
        black_hole.listen(0)
        with contextlib.ExitStack() as fill:  # the queue of connections that it does not accept
            for _ in range(4):
                client = fill.enter_context(socket.socket())
                client.setblocking(False)  # noqa: FBT003 - its only argument
                client.connect_ex(black_hole.getsockname())
            pool.pods.origin = origin_of(f"http://127.0.0.1:{black_hole.getsockname()[1]}")
            pool.pods._options = PoolOptions(None, 3600, connect_timeout=0.1, keepalive_timeout=4)
            await lead_to(pool, "127.0.0.1")
            (endpoint,) = pool.endpoints
            with pytest.raises(UpstreamError) as error:
                async with pool.acquire(PodRequest(budget())):
                    await endpoint.acquire_connection()
            assert error.value.kind is FailureKind.CONNECT

            await lead_to(pool, "127.0.0.1", "10.0.0.2")
            taken = [await take(pool) for _ in range(8)]

    assert {pod.address for pod in taken} == {"10.0.0.2"}


async def test_a_pod_without_the_model_is_last_in_line_for_that_model(make: Make) -> None:
    pool = await make(2, slots=None)
    lacking, other = pool.endpoints
    request = PodRequest(budget(), frozenset({other}), model="llama3")
    assert await pool.acquire(request).__aenter__() is lacking

    pool.release(lacking, request, UpstreamError(FailureKind.MODEL_MISSING, "no such model"))

    for _ in range(5):
        assert await pool.acquire(PodRequest(budget(), model="llama3")).__aenter__() is other
    assert await pool.acquire(PodRequest(budget(), model="gemma3")).__aenter__() is lacking


async def test_the_only_pod_is_asked_for_the_model_again(make: Make) -> None:
    pool = await make(1, slots=None)
    (pod,) = pool.endpoints
    request = PodRequest(budget(), model="llama3")
    await pool.acquire(request).__aenter__()

    pool.release(pod, request, UpstreamError(FailureKind.MODEL_MISSING, "no such model"))

    assert await pool.acquire(PodRequest(budget(), model="llama3")).__aenter__() is pod


@pytest.mark.parametrize("kind", [FailureKind.ERROR, FailureKind.MISCONFIGURED])
async def test_a_pod_whose_last_answers_all_failed_is_last_in_line(make: Make, kind: FailureKind) -> None:
    pool = await make(2, slots=None)
    failing, other = pool.endpoints
    for _ in range(3):
        assert await take(pool, frozenset({other})) is failing
        release(pool, failing, UpstreamError(kind, "it failed"))

    assert [await take(pool) for _ in range(3)] == [other] * 3
    assert await take(pool, frozenset({other})) is failing
    release(pool, failing)
    assert await take(pool) is failing


async def test_a_task_that_fails_unexpectedly_starts_over(
    make: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("speechbridge.upstreams.supervise._RESTART_DELAY_S", 0.0)
    pool = await make(1)
    pool.pods._options = PoolOptions(1, 0.0, connect_timeout=1, keepalive_timeout=4)
    found = asyncio.Event()
    results: list[Any] = [ValueError("not an OSError"), frozenset({"10.0.0.9"})]

    async def resolve(_host: str, _port: int) -> frozenset[str]:
        result = results[0] if len(results) == 1 else results.pop(0)
        if isinstance(result, Exception):
            raise result
        found.set()
        return frozenset(result)

    pool.pods.resolve = resolve
    running = asyncio.create_task(pool.run())
    async with asyncio.timeout(5):
        await found.wait()
    running.cancel()

    assert [record.getMessage() for record in caplog.records].count("background task failed") == 1


class Warmth:
    """Pods that load their model until `loaded`."""

    def __init__(self) -> None:
        self.loaded = asyncio.Event()
        self.asked: list[str] = []

    async def until_warm(self, endpoint: Endpoint) -> None:
        self.asked.append(endpoint.address)
        await self.loaded.wait()


async def test_a_new_pod_gets_no_request_before_it_has_loaded_its_model(make: Make) -> None:
    warmth = Warmth()
    pool = await make(1, slots=None, until_warm=warmth.until_warm)
    await lead_to(pool, "10.0.0.0", "10.0.0.1")

    before = [(await take(pool)).address for _ in range(3)]
    warmth.loaded.set()
    new = pool.endpoints[1]
    async with asyncio.timeout(5):
        while new.health.cold:  # noqa: ASYNC110 - the pool has no event for it
            await asyncio.sleep(0)

    assert before == ["10.0.0.0"] * 3
    assert await take(pool) is new
    assert warmth.asked == ["10.0.0.1"], "those that it starts with are not known to be new"


async def test_a_new_pod_that_is_the_only_one_gets_requests_at_once(make: Make) -> None:
    pool = await make(1, slots=None, until_warm=Warmth().until_warm)
    await lead_to(pool, "10.0.0.0", "10.0.0.1")

    await lead_to(pool, "10.0.0.1")

    assert (await take(pool)).address == "10.0.0.1"


async def test_a_cold_pod_gets_what_the_others_cannot_take(make: Make) -> None:
    pool = await make(1, until_warm=Warmth().until_warm)
    await lead_to(pool, "10.0.0.0", "10.0.0.1")

    assert [(await take(pool)).address for _ in range(2)] == ["10.0.0.0", "10.0.0.1"]


async def test_an_answer_shows_that_a_pod_is_warm(make: Make) -> None:
    pool = await make(1, until_warm=Warmth().until_warm)
    await lead_to(pool, "10.0.0.0", "10.0.0.1")
    held = [await take(pool), await take(pool)]

    release(pool, held[1])

    assert not held[1].health.cold


async def test_a_pod_that_loads_nothing_is_not_last_in_line_for_ever(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pods_module, "COLD_S", 0.01)
    pool = await make(1, slots=None, until_warm=Warmth().until_warm)
    await lead_to(pool, "10.0.0.0", "10.0.0.1")

    async with asyncio.timeout(5):
        while pool.endpoints[1].health.cold:  # noqa: ASYNC110 - the pool has no event for it
            await asyncio.sleep(0.01)


async def test_a_pod_that_could_not_be_reached_may_have_restarted(make: Make) -> None:
    warmth = Warmth()
    pool = await make(2, slots=None, until_warm=warmth.until_warm)
    pod = await take(pool)

    release(pool, pod, UpstreamError(FailureKind.CONNECT, "the connection was refused"))

    assert pod.health.cold
    await asyncio.sleep(0)
    assert warmth.asked == [pod.address]
