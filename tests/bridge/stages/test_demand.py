"""The demand for a stage: each request counts in one place, and one that got no pod is remembered."""

import pytest

from bridge import virtual_time
from speechbridge.errors import Problem
from speechbridge.stages.demand import REMEMBER_S, Demand, StageLoad

pytestmark = pytest.mark.unit

NOTHING = StageLoad(0, 0, 0, 0.0, 0.0, 0.0, 0.0)
TYPICAL = 7.0


class Bench:
    """The demand for pods that cannot be reached until `up`."""

    def __init__(self) -> None:
        self.now = 100.0
        self.up = False
        self.held = 0
        self.demand = Demand(lambda: self.now, lambda: self.up, lambda: TYPICAL)
        self.demand.on_hold = self._hold

    def _hold(self) -> None:
        self.held += 1


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_without_requests_everything_is_zero(bench: Bench) -> None:
    assert bench.demand.load() == NOTHING


def test_a_request_counts_where_it_is_and_nowhere_else(bench: Bench) -> None:
    want = bench.demand.want(30.0)

    want.held()
    bench.now += 2
    assert bench.demand.load() == StageLoad(1, 0, 0, 30.0, 0.0, 0.0, 2.0)
    want.waiting()
    assert bench.demand.load() == StageLoad(0, 1, 0, 0.0, 30.0, 0.0, 2.0)
    want.working()
    assert bench.demand.load() == StageLoad(0, 0, 1, 0.0, 0.0, 30.0, 0.0)
    want.leave()
    assert bench.demand.load() == NOTHING


def test_the_oldest_wait_is_that_of_the_first_who_still_waits(bench: Bench) -> None:
    first = bench.demand.want()
    first.waiting()
    bench.now += 3
    bench.demand.want().held()
    bench.now += 1
    assert bench.demand.load().oldest_wait_seconds == 4.0

    first.working()

    assert bench.demand.load().oldest_wait_seconds == 1.0


def test_a_recording_of_unknown_duration_counts_as_a_typical_one(bench: Bench) -> None:
    bench.demand.want().waiting()
    bench.demand.want(20.0).waiting()

    assert bench.demand.load().audio_seconds_waiting == TYPICAL + 20.0


def test_a_recording_that_arrives_counts_as_long_as_it_is_so_far(bench: Bench) -> None:
    arrived = [5.0]
    with bench.demand.held(lambda: arrived[0]):
        arrived[0] = 12.0
        assert bench.demand.load().audio_seconds_held == 12.0
    assert bench.demand.load() == NOTHING


def test_only_the_first_of_the_held_requests_is_news(bench: Bench) -> None:
    with bench.demand.held():
        with bench.demand.held():
            assert bench.held == 1
        assert bench.held == 1
    with bench.demand.held():
        assert bench.held == 2


def test_a_held_request_that_ends_without_a_pod_is_remembered_for_some_minutes() -> None:
    async def test() -> None:
        bench = Bench()
        changes: list[int] = []
        bench.demand.on_change = lambda: changes.append(bench.demand.load().held)

        with pytest.raises(ConnectionError), bench.demand.held(30.0):
            raise ConnectionError

        assert bench.demand.load() == StageLoad(1, 0, 0, TYPICAL, 0.0, 0.0, 0.0)
        bench.now += REMEMBER_S
        await virtual_time.passes(REMEMBER_S)
        assert changes[-1] == 0, "whoever follows learns of it"

    virtual_time.run(test())


def test_it_is_remembered_only_until_a_pod_can_be_reached() -> None:
    async def test() -> None:
        bench = Bench()
        bench.demand.remember()
        assert bench.demand.load().held == 1

        bench.up = True
        assert bench.demand.load().held == 0
        bench.up = False

        assert bench.demand.load().held == 0, "the pod that it woke has been there"

    virtual_time.run(test())


def test_while_pods_can_be_reached_nothing_is_remembered(bench: Bench) -> None:
    bench.up = True
    bench.demand.remember()
    bench.up = False

    assert bench.demand.load() == NOTHING


def test_a_request_that_is_rejected_or_was_at_a_pod_is_not_remembered(bench: Bench) -> None:
    with pytest.raises(Problem), bench.demand.held():
        raise Problem("empty_file", "The file is empty.")
    want = bench.demand.want()
    want.working()
    want.leave(ConnectionError())

    assert bench.demand.load() == NOTHING


def test_an_announced_request_is_coming_until_it_comes_or_ends(bench: Bench) -> None:
    changes: list[int] = []
    bench.demand.on_change = lambda: changes.append(bench.demand.coming)

    with bench.demand.announced() as coming:
        coming.come()
    with bench.demand.announced():
        pass

    assert changes == [1, 0, 1, 0]
