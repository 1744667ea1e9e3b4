"""Which component limits the pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from speechoperator.plan.scaling.state import ScaledComponent

THRESHOLD = 1.1
"""Needed per ready replica, from which a component limits the pipeline; the default tolerance above 1."""


def bottleneck(
    needs: Mapping[ScaledComponent, float | None], ready: Mapping[ScaledComponent, int]
) -> ScaledComponent | None:
    """Return the component whose load exceeds its ready replicas most; None if none does or nothing is known.

    Args:
        needs: Replicas that the load of each component needs; None if unknown.
        ready: Ready replicas of each component.
    """
    pressures = {
        component: need / ready[component] if ready[component] else float("inf")
        for component, need in needs.items()
        if need
    }
    highest = max(pressures, key=lambda component: (pressures[component], needs[component]), default=None)
    return highest if highest and pressures[highest] >= THRESHOLD else None
