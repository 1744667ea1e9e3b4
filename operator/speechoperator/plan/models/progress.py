"""The progress of pulls: the share that is complete, and the time left."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from speechoperator.plan.snapshot import Pull

_ETA_STEPS = ((30, 1), (300, 5), (math.inf, 30))
"""(Limit, step) in seconds: estimates up to the limit are rounded up to the step, so that the status changes seldom."""


def share(pull: Pull) -> float:
    """Return the share of a pull that is complete, 0 to 1."""
    return pull.completed / pull.total if pull.total > 0 else 0.0


def seconds_left(pulls: Iterable[Pull]) -> int | None:
    """Return the seconds until the last pull completes, rounded; None while unknown for any of them."""
    remaining = []
    for pull in pulls:
        if pull.rate <= 0 or pull.total <= 0:
            return None
        remaining.append(max(pull.total - pull.completed, 0) / pull.rate)
    seconds = max(remaining, default=math.inf)
    if not math.isfinite(seconds):
        return None
    step = next(step for limit, step in _ETA_STEPS if seconds <= limit)
    return math.ceil(seconds / step) * step
