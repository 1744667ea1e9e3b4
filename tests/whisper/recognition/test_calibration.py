"""The size of batches on a CPU: the smallest that is about as fast as the best."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechwhisper.recognition.calibration import BUDGET_SECONDS, SIZES, batch_size

pytestmark = pytest.mark.unit


class Machine:
    """A CPU that needs so many seconds for a batch, and more for each of its blocks."""

    def __init__(self, batch: float, block: float) -> None:
        self.tried: list[int] = []
        self._batch, self._block = batch, block

    def __call__(self, size: int) -> float:
        self.tried.append(size)
        return self._batch + size * self._block


def test_where_a_batch_costs_nothing_blocks_are_decoded_alone() -> None:
    assert batch_size(Machine(batch=0.0, block=0.1)) == 1


def test_where_a_batch_costs_as_much_as_a_block_the_largest_is_best() -> None:
    assert batch_size(Machine(batch=0.1, block=0.1)) == SIZES[-1]


def test_a_size_that_is_hardly_slower_is_preferred_to_a_larger_one() -> None:
    assert batch_size(Machine(batch=0.04, block=0.1)) == 4  # 0.110 s per block; 0.105 s with 8


def test_the_first_batch_which_allocates_memory_is_not_counted() -> None:
    seconds = iter([60.0, 0.1, 0.2, 0.4, 0.8])

    assert batch_size(lambda _: next(seconds)) == 1


@given(st.floats(0, 10), st.floats(0.01, 60))
def test_a_slow_model_is_not_measured_for_long(batch: float, block: float) -> None:
    machine = Machine(batch, block)

    assert batch_size(machine) in SIZES
    *earlier, _ = [batch + size * block for size in machine.tried[1:]]
    assert sum(earlier) <= BUDGET_SECONDS
