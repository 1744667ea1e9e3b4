"""One GPU budget over both components: who gets how many replicas, and when.

The budget holds at every moment, not only in the end: a terminating pod still occupies its GPUs, so another component
grows only once they are free.
"""

from __future__ import annotations

from dataclasses import dataclass


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
    """

    replicas: int
    minimum: int
    need: float
    current: int
    occupied: int
    gpus: int


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
    """Share the budget out: first one replica each, then the minimums, then to the highest need per replica.

    A pipeline needs both components, however much one of them has to do.

    Source: the method of D'Hondt (Jefferson); a larger budget never makes a share smaller.
    """
    shares = [0 if want.gpus else want.replicas for want in wants]
    left = budget
    for limits in (
        [min(1, want.replicas) for want in wants],
        [min(want.minimum, want.replicas) for want in wants],
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
    return shares
