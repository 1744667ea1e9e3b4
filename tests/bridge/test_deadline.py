"""When a request has taken too long: no progress, or its total; in virtual time."""

import asyncio
import gc
import weakref
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge import virtual_time
from speechbridge.deadline import Deadline, TimeLimits

pytestmark = pytest.mark.unit

LIMITS = TimeLimits(stall=300, per_audio_second=2)


def ended(work: Callable[[Deadline], Awaitable[None]]) -> tuple[float, str]:
    """When a deadline ended the work, and why; the end of the work otherwise."""

    async def main() -> tuple[float, str]:
        deadline = Deadline(LIMITS)
        try:
            async with deadline:
                await work(deadline)
        except TimeoutError:
            assert deadline.expired
        return asyncio.get_running_loop().time(), deadline.expired

    return virtual_time.run(main())


async def progressing(deadline: Deadline, seconds: float) -> None:
    """Make progress every ten seconds."""
    for _ in range(int(seconds / 10)):
        await asyncio.sleep(10)
        deadline.progress()


def test_without_progress_a_request_ends_after_the_request_timeout() -> None:
    async def work(deadline: Deadline) -> None:
        deadline.begin()
        await progressing(deadline, 200)
        await asyncio.sleep(10_000)

    assert ended(work) == (500, "The request made no progress for 300 s (REQUEST_TIMEOUT).")


def test_an_upload_may_take_as_long_as_it_makes_progress() -> None:
    assert ended(lambda deadline: progressing(deadline, 5000)) == (5000, "")


def test_the_total_limits_work_that_progresses_for_ever() -> None:
    async def work(deadline: Deadline) -> None:
        deadline.begin()
        await progressing(deadline, 10_000)

    at, why = ended(work)

    assert at == 600
    assert "REQUEST_TIMEOUT" in why


def test_the_total_grows_with_the_audio() -> None:
    async def work(deadline: Deadline) -> None:
        deadline.recording(lambda: 3600)
        deadline.begin()
        await progressing(deadline, 100_000)

    at, why = ended(work)

    assert at == 2 * 300 + 2 * 3600
    assert "REQUEST_TIMEOUT_PER_AUDIO_SECOND for each of about 3600 s of audio" in why


def test_a_recording_found_to_be_longer_than_estimated_gets_its_time() -> None:
    async def work(deadline: Deadline) -> None:
        known = [10.0]
        deadline.recording(lambda: known[0])
        deadline.begin()
        await progressing(deadline, 500)
        known[0] = 1000.0
        await progressing(deadline, 100_000)

    assert ended(work)[0] == 600 + 2 * 1000


def test_work_that_reports_no_progress_has_its_total() -> None:
    async def work(deadline: Deadline) -> None:
        deadline.recording(lambda: 1000)
        deadline.begin()
        deadline.reporting = False
        await asyncio.sleep(2000)
        deadline.reporting = True
        await asyncio.sleep(10_000)

    assert ended(work)[0] == 2300


def test_waiting_for_the_rest_of_an_upload_is_no_work() -> None:
    async def work(deadline: Deadline) -> None:
        deadline.begin()
        await progressing(deadline, 500)
        deadline.suspend()
        await progressing(deadline, 5000)
        deadline.begin()
        await progressing(deadline, 500)

    assert ended(work) == (6000, "")


@given(stall=st.floats(0.1, 1e5), factor=st.floats(0, 100), pace=st.floats(0.01, 1000))
def test_the_longest_audio_is_what_fits_into_its_own_total(stall: float, factor: float, pace: float) -> None:
    limits = TimeLimits(stall, factor)
    longest = limits.longest_audio(pace)

    if pace <= factor:
        assert longest == float("inf")
    else:
        assert pace * longest == pytest.approx(limits.total(longest), rel=1e-6)
        assert 2 * pace * longest > limits.total(2 * longest)


class Request:
    """What a deadline belongs to, and what it reads the duration of."""

    def __init__(self) -> None:
        self.deadline = Deadline(LIMITS)
        self.deadline.recording(self.seconds)

    def seconds(self) -> float:
        return 1.0


async def test_a_request_is_freed_at_its_end_without_the_garbage_collector() -> None:
    request = Request()
    freed = weakref.ref(request)
    async with request.deadline:
        request.deadline.begin()
    gc.disable()
    try:
        del request
        assert freed() is None
    finally:
        gc.enable()
