"""How a pull is measured, and when its progress is worth a report."""

from dataclasses import dataclass, field, replace

import pytest

from speechoperator.ollama.messages import Progress
from speechoperator.ollama.meter import Meter
from speechoperator.plan.snapshot import Pull

pytestmark = pytest.mark.unit

PULL = Pull("llama3", "pod:a", "Pulling", attempts=2, error="unexpected EOF")
TOTAL = 100_000


@dataclass
class Measured:
    """A meter under a clock that the test moves."""

    now: float = 1000.0
    meter: Meter = field(init=False)

    def __post_init__(self) -> None:
        self.meter = Meter(lambda: self.now)

    def pulled(self, completed: int, after: float = 0.0, digest: str = "sha256:a") -> None:
        self.now += after
        self.meter.add(Progress("pulling", digest, total=TOTAL, completed=completed))


def test_the_first_report_waits_for_the_size() -> None:
    measured = Measured()
    measured.meter.add(Progress("pulling manifest"))
    assert measured.meter.due() > 0

    measured.pulled(0)
    assert measured.meter.due() <= 0


@pytest.mark.parametrize(
    ("completed", "due"),
    [pytest.param(2000, 5, id="2 %"), pytest.param(1999, 30, id="less: only so that speed and time left stay true")],
)
def test_progress_is_reported_when_it_is_worth_a_write(completed: int, due: float) -> None:
    measured = Measured()
    measured.pulled(0)
    measured.meter.report(PULL)

    measured.pulled(completed)

    assert measured.meter.due() == due


def test_layers_that_were_there_do_not_add_to_the_volume() -> None:
    """They are those of another model, or of an earlier attempt: Ollama mentions them as complete at once."""
    measured = Measured()

    measured.pulled(0, digest="sha256:new")
    measured.pulled(TOTAL, digest="sha256:new")
    measured.pulled(TOTAL, digest="sha256:shared")
    measured.pulled(TOTAL // 2, digest="sha256:resumed")

    assert (measured.meter.total, measured.meter.added) == (3 * TOTAL, 2 * TOTAL)


def test_the_speed_is_reported_only_once_it_has_settled() -> None:
    measured = Measured()
    measured.pulled(0)
    for second in range(1, 10):
        measured.pulled(100 * second, after=1)
    assert measured.meter.report(PULL).rate == 0

    measured.pulled(1000, after=1)

    assert measured.meter.due() == 4, "that the speed is known is worth a report"
    assert measured.meter.report(PULL).rate == pytest.approx(100)


def test_the_speed_follows_what_the_connection_does_now() -> None:
    measured = Measured()
    measured.pulled(0)
    for second in range(1, 21):
        measured.pulled(100 * second, after=1)
    for second in range(1, 61):
        measured.pulled(2000 + 200 * second, after=1)

    assert measured.meter.report(PULL).rate == pytest.approx(200, rel=0.03)


def test_the_speed_falls_while_nothing_comes() -> None:
    measured = Measured()
    measured.pulled(0)
    for second in range(1, 21):
        measured.pulled(100 * second, after=1)
    measured.now += 30

    assert measured.meter.report(PULL).rate < 50


def test_bytes_of_an_earlier_attempt_are_complete_but_not_pulled() -> None:
    measured = Measured()
    measured.pulled(60_000)
    record = measured.meter.report(PULL)
    assert (record.completed, record.total, measured.meter.pulled) == (60_000, TOTAL, 0)
    assert (record.attempts, record.error) == (2, "unexpected EOF"), "it has not made progress yet"

    measured.pulled(60_100, after=1)

    assert measured.meter.pulled == 100
    assert measured.meter.report(PULL).attempts == 0


@pytest.mark.parametrize(
    "error", ["digest mismatch", "write /cache/x: no space left on device", "the volume holds 1 GB"]
)
def test_bytes_do_not_show_that_a_full_volume_or_damaged_data_are_over(error: str) -> None:
    measured = Measured()
    measured.pulled(0)
    measured.pulled(100, after=1)

    record = measured.meter.report(replace(PULL, error=error))

    assert (record.attempts, record.error) == (2, error)


def test_all_layers_count() -> None:
    measured = Measured()
    measured.pulled(TOTAL)
    measured.pulled(10, digest="sha256:b")

    record = measured.meter.update(PULL)

    assert (record.completed, record.total) == (TOTAL + 10, 2 * TOTAL)


def test_that_checksums_are_computed_is_worth_a_report() -> None:
    measured = Measured()
    measured.pulled(TOTAL)
    measured.meter.report(PULL)

    measured.meter.add(Progress("verifying sha256 digest"))

    assert measured.meter.due() == 5
    assert measured.meter.report(PULL).verifying
