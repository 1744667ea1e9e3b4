"""The garbage collector after start-up."""

import gc
from collections.abc import Iterator

import pytest

from speechoperator.memory import tune_gc

pytestmark = pytest.mark.unit


@pytest.fixture
def usual_collector() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


@pytest.mark.usefixtures("usual_collector")
def test_what_exists_after_startup_is_not_collected_and_collections_are_rare() -> None:
    frozen, threshold = gc.get_freeze_count(), gc.get_threshold()[0]

    tune_gc()

    assert gc.get_freeze_count() > frozen
    assert gc.get_threshold()[0] > threshold
