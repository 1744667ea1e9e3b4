import pytest

from speechwhisper.errors import BusyError
from speechwhisper.slots import Slots, Speed

pytestmark = pytest.mark.unit


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def refusal(slots: Slots) -> BusyError:
    with pytest.raises(BusyError) as caught:
        slots.take()
    return caught.value


def test_a_place_is_free_again_after_release(clock: Clock) -> None:
    slots = Slots(1, clock)
    slots.release(slots.take())

    slots.take()

    assert slots.busy == 1


def test_who_finds_none_free_is_told_when_the_first_job_ends(clock: Clock) -> None:
    slots = Slots(2, clock)
    slots.speed.measured(100.0, 10.0)  # ten times real time
    long, short = slots.take(), slots.take()
    long.started(clock.now, 6000.0)
    short.started(clock.now, 400.0)
    clock.now += 5
    short.reached(clock.now, 100.0)

    assert refusal(slots).headers == {"Retry-After": "30"}


def test_the_wait_shrinks_with_time_between_segments(clock: Clock) -> None:
    slots = Slots(1, clock)
    slots.speed.measured(100.0, 10.0)
    slots.take().started(clock.now, 300.0)
    clock.now += 12.5

    assert slots.retry_after() == 18


def test_an_upload_of_unknown_length_says_one_second(clock: Clock) -> None:
    slots = Slots(1, clock)
    slots.take()

    assert slots.retry_after() == 1


def test_a_job_that_takes_longer_than_expected_says_one_second(clock: Clock) -> None:
    slots = Slots(1, clock)
    slots.take().started(clock.now, 10.0)
    clock.now += 1000

    assert slots.retry_after() == 1


def test_a_closed_house_takes_nobody(clock: Clock) -> None:
    slots = Slots(1, clock)
    slots.close()

    assert refusal(slots).code == "busy"


async def test_idle_is_when_the_last_one_left(clock: Clock) -> None:
    slots = Slots(1, clock)
    slot = slots.take()

    slots.release(slot)

    await slots.idle()


def test_speed_follows_the_jobs() -> None:
    speed = Speed()
    speed.measured(100.0, 10.0)
    speed.measured(200.0, 10.0)

    assert 10.0 < speed.factor < 20.0


def test_silent_jobs_say_nothing_about_speed() -> None:
    speed = Speed()
    before = speed.factor

    speed.measured(0.0, 5.0)

    assert speed.factor == before
