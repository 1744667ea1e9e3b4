"""Since when no pod can be reached, and how long it will still take if it takes as long as the last time."""

from collections.abc import Iterator

import pytest

from speechbridge.upstreams.outage import Outage, Sample, observed

pytestmark = pytest.mark.unit

NEVER = float("-inf")
STARTUP = Outage(since=0.0)


def gone() -> Sample:
    return Sample(found=False, up=False, contact_at=NEVER)


def down(contact_at: float) -> Sample:
    return Sample(found=True, up=False, contact_at=contact_at)


def up(contact_at: float = NEVER) -> Sample:
    return Sample(found=True, up=True, contact_at=contact_at)


def after(*samples: tuple[float, Sample], before: Outage = STARTUP) -> Outage:
    """The outage after these observations, each with its time."""
    for now, sample in samples:
        before = observed(before, sample, now)
    return before


def restart(seconds: float) -> Iterator[tuple[float, Sample]]:
    """A pod that is in contact at 100, refuses connections from 101, and accepts them again some seconds later."""
    yield 100.0, up(100.0)
    yield 101.0, down(100.0)
    yield 101.0 + seconds, up(101.0 + seconds)


def test_nothing_is_told_while_a_pod_can_be_reached() -> None:
    outage = after((1.0, up(1.0)))

    assert (outage.elapsed(5.0), outage.remaining(5.0)) == (None, None)


def test_from_startup_on_the_time_without_pods_is_known_but_not_how_long_it_takes() -> None:
    assert (STARTUP.elapsed(7.0), STARTUP.remaining(7.0)) == (7.0, None)
    assert after((7.0, up(7.0))).last_s is None  # the pod may have been starting long before the bridge


def test_the_next_outage_is_expected_to_take_as_long_as_the_last() -> None:
    outage = after(*restart(30.0), (200.0, up(200.0)), (201.0, down(200.0)))

    assert (outage.elapsed(213.0), outage.remaining(213.0)) == (12.0, 18.0)


def test_nothing_is_expected_of_an_outage_that_takes_longer_than_the_last() -> None:
    outage = after(*restart(30.0), (200.0, up(200.0)), (201.0, down(200.0)))

    assert (outage.remaining(230.9), outage.remaining(231.0)) == (pytest.approx(0.1), None)


def test_the_latest_measurement_counts() -> None:
    first = after(*restart(30.0))

    assert after(*restart(8.0), before=first).last_s == 8.0


@pytest.mark.parametrize("seconds", [600.0, 601.0])
def test_an_outage_of_more_than_ten_minutes_is_no_start(seconds: float) -> None:
    assert after(*restart(seconds)).last_s == (600.0 if seconds <= 600.0 else None)


def test_an_outage_whose_beginning_was_not_noticed_is_not_measured() -> None:
    """A bridge that had no requests learns only from the next one that the pod does not accept connections."""
    outage = after((100.0, up(100.0)), (500.0, down(100.0)), (503.0, up(503.0)))

    assert outage.last_s is None


def test_nothing_is_expected_of_an_outage_whose_beginning_was_not_noticed() -> None:
    outage = after(*restart(30.0), (500.0, down(131.0)))

    assert (outage.elapsed(505.0), outage.remaining(505.0)) == (5.0, None)


def test_that_pods_vanish_from_dns_is_always_noticed() -> None:
    outage = after((100.0, up(100.0)), (500.0, gone()), (520.0, up()), (521.0, up(521.0)))

    assert outage.last_s == 21.0


def test_a_pod_found_by_dns_has_not_started_until_it_accepts_a_connection() -> None:
    """As in Docker Compose, where the name resolves once the container runs."""
    outage = after((100.0, up(100.0)), (101.0, gone()), (103.0, up()), (104.0, down(NEVER)))

    assert (outage.elapsed(110.0), after((131.0, up(131.0)), before=outage).last_s) == (9.0, 30.0)


def test_whether_a_pod_that_got_no_connection_yet_can_be_reached_is_unknown() -> None:
    outage = after(*restart(30.0), (200.0, gone()), (205.0, up()))

    assert (outage.elapsed(206.0), outage.remaining(206.0)) == (None, None)


def test_an_outage_whose_end_was_not_noticed_is_not_measured() -> None:
    outage = after((100.0, up(100.0)), (101.0, gone()), (103.0, up()), (300.0, up(300.0)))

    assert (outage.since, outage.last_s) == (None, None)


def test_a_pod_that_goes_long_after_dns_found_it_begins_another_outage() -> None:
    outage = after((100.0, up(100.0)), (101.0, gone()), (103.0, up()), (300.0, down(NEVER)))

    assert outage.elapsed(302.0) == 2.0


def test_an_outage_that_was_not_measured_leaves_the_last_measurement() -> None:
    outage = after(*restart(30.0), (500.0, down(131.0)), (502.0, up(502.0)))

    assert outage.last_s == 30.0
