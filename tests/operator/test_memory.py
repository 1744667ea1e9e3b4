"""The garbage collector after start-up."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from speechoperator.memory import freeze_startup_objects

pytestmark = pytest.mark.unit


class Cycle:
    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def usual_collector() -> Iterator[None]:
    yield
    gc.unfreeze()


def test_what_exists_after_startup_is_not_collected() -> None:
    frozen = gc.get_freeze_count()

    freeze_startup_objects()

    assert gc.get_freeze_count() > frozen


def test_cycles_that_are_left_later_are_collected_as_often_as_usual() -> None:
    thresholds = gc.get_threshold()

    freeze_startup_objects()
    left = weakref.ref(Cycle())
    gc.collect()

    assert left() is None
    assert gc.get_threshold() == thresholds
