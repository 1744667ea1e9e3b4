"""One GPU budget over both components: who gets how many replicas, and when.

The budget holds at every moment, not only in the end: a terminating pod still occupies its GPUs, so another component
grows only once they are free.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

TAKEOVER_MARGIN = 1.5
"""How many times as much a replica of one component must be needed before it takes the place of one of another."""


@dataclass(frozen=True, slots=True)
class Want:
    """What a component would get without a budget.

    Attributes:
        replicas: Replicas that were decided for it.
        minimum: Its minimum.
        need: Replicas that its load needs, by which replicas are shared out.
        current: `spec.replicas` now.
        occupied: Replicas whose GPUs are in use, or will be by the present `spec.replicas`.
        gpus: GPUs of each replica.
        settled: Whether no pod starts, and nothing has changed for the time after which replicas may be removed.
    """

    replicas: int
    minimum: int
    need: float
    current: int
    occupied: int
    gpus: int
    settled: bool = True


def allocate(wants: tuple[Want, ...], budget: int | None) -> tuple[int, ...]:
    """Return the replicas of each component.

    Shrinking is granted at once. Growing is granted as far as GPUs are free now.
    """
    if budget is None:
        return tuple(want.replicas for want in wants)
    shares = _shares(wants, budget)
    free = budget - sum(want.occupied * want.gpus for want in wants)
    granted = []
    for want, share in zip(wants, shares, strict=True):
        growth = max(0, share - want.current)
        if want.gpus:
            growth = min(growth, max(0, free) // want.gpus)
            free -= growth * want.gpus
        granted.append(min(share, want.current + growth))
    return tuple(granted)


def _shares(wants: tuple[Want, ...], budget: int) -> list[int]:
    """Share the budget out: first one replica each, then the minimums, the replicas that run, and the others.

    A pipeline needs both components, however much one of them has to do. Replicas that run keep their GPUs while the
    needs go up and down: a pod that starts wastes its GPU meanwhile. What is left goes to the highest need per replica.

    Source: the method of D'Hondt (Jefferson).
    """
    shares = [0 if want.gpus else want.replicas for want in wants]
    left = budget
    for limits in (
        [min(1, want.replicas) for want in wants],
        [min(want.minimum, want.replicas) for want in wants],
        [min(max(want.current, want.minimum), want.replicas) for want in wants],
        [want.replicas for want in wants],
    ):
        while True:
            open_ones = [
                index for index, want in enumerate(wants) if shares[index] < limits[index] and want.gpus <= left
            ]
            if not open_ones:
                break
            chosen = max(open_ones, key=lambda index: (wants[index].need / (shares[index] + 1), -index))
            shares[chosen] += 1
            left -= wants[chosen].gpus
    return _after_takeover(shares, wants, left)


def _after_takeover(shares: list[int], wants: tuple[Want, ...], left: int) -> list[int]:
    """Let the component that is short of replicas most take the place of replicas that are needed far less."""
    short = [index for index, want in enumerate(wants) if want.gpus and shares[index] < want.replicas]
    if not short:
        return shares
    taker = max(short, key=lambda index: (wants[index].need / (shares[index] + 1), -index))
    pressure = wants[taker].need / (shares[taker] + 1)
    for giver, want in enumerate(wants):
        if giver == taker or not want.gpus or not want.settled or not shares[giver]:
            continue
        places = math.ceil((wants[taker].gpus - left) / want.gpus)
        kept = max(min(1, want.replicas), min(want.minimum, want.replicas))
        if shares[giver] - places >= kept and pressure > TAKEOVER_MARGIN * want.need / shares[giver]:
            return [
                share + 1 if index == taker else share - places if index == giver else share
                for index, share in enumerate(shares)
            ]
    return shares
