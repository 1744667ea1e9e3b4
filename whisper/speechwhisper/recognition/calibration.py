"""Finds the size of batches for a CPU, where a batch takes longer with every block: pure functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

SIZES = (1, 2, 4, 8)
"""Blocks per batch, ascending. Larger batches hardly save more, but every request waits for its whole batch."""
BUDGET_SECONDS = 8.0
"""Larger sizes are not tried if they would exceed this: with a large model, starting should not take minutes."""
_HARDLY_LONGER = 1.05


def batch_size(seconds_for: Callable[[int], float]) -> int:
    """Return the smallest size of a batch in which a block takes hardly longer than in the best one.

    Args:
        seconds_for: Decodes a batch of so many blocks, and returns the seconds it took.
    """
    seconds_for(SIZES[0])  # allocates memory
    per_block: dict[int, float] = {}
    spent = last = 0.0
    for size in SIZES:
        if spent + 2 * last > BUDGET_SECONDS:
            break
        last = seconds_for(size)
        spent += last
        per_block[size] = last / size
    best = min(per_block.values())
    return next(size for size, seconds in per_block.items() if seconds <= best * _HARDLY_LONGER)
