"""Tolerance, stabilization windows and policies, with the meaning that they have in autoscaling/v2.

Source: `pkg/controller/podautoscaler/horizontal.go` of Kubernetes 1.34: `stabilizeRecommendationWithBehaviors`,
`convertDesiredReplicasWithBehaviorRate`, `calculateScaleUpLimitWithScalingRules` and its counterpart.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from speechoperator.plan.scaling.staffing import SERVICE_QUALITY

if TYPE_CHECKING:
    from collections.abc import Sequence

Sample: TypeAlias = tuple[float, int]
"""A time in seconds, and a number of replicas recommended at it, or added or removed at it."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How far replicas may change within a period.

    Attributes:
        type: Whether `value` is a number of pods or a percentage of the replicas at the start of the period.
        value: The number or percentage.
        period: Seconds.
    """

    type: Literal["Pods", "Percent"]
    value: int
    period: float


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules for one direction.

    Attributes:
        window: Stabilization window in seconds.
        policies: Without any, the direction is not limited.
        select: Which policy applies: the one that allows the largest change, the smallest, or no change at all.
        tolerance: Deviation of the needed from the current replicas below which nothing changes, as a share.
    """

    window: float = 0.0
    policies: tuple[Policy, ...] = ()
    select: Literal["Max", "Min", "Disabled"] = "Max"
    tolerance: float = 0.1


@dataclass(frozen=True, slots=True)
class Behavior:
    """How replicas follow the need.

    Attributes:
        up: Rules for more replicas.
        down: Rules for fewer.
        stable_window: Time constant of the average that replicas follow, in seconds.
        panic_window: Time constant of the average that a burst is detected with, in seconds.
        panic_threshold: How many times the current replicas the fast average must need to be followed at once.
        service_quality: Servers beyond the average load, in multiples of its square root; more cost more, and fewer
            requests wait.
        idle_period: Seconds without a request after which a component with `minimum` 0 is scaled to zero.
    """

    up: Rules = Rules()
    down: Rules = Rules(300.0)
    stable_window: float = 60.0
    panic_window: float = 30.0
    panic_threshold: float = 2.0
    service_quality: float = SERVICE_QUALITY
    idle_period: float = 300.0

    @property
    def longest_period(self) -> float:
        """The longest period of a policy: for how long changes matter, in seconds."""
        return max((policy.period for policy in (*self.up.policies, *self.down.policies)), default=0.0)


DEFAULT_BEHAVIOR = Behavior()
"""Without policies. Kubernetes limits an HPA to 100 % or 4 pods in 15 s because its ratio of a metric to a target
multiplies errors; here the need is absolute, and is limited by the number of requests."""


def within_tolerance(need: float, current: int, behavior: Behavior) -> bool:
    """Return whether the needed replicas are so close to the current ones that nothing changes."""
    if current == 0:
        return need == 0
    deviation = need / current - 1
    return -behavior.down.tolerance <= deviation <= behavior.up.tolerance


def stabilized(recommended: int, current: int, ups: Sequence[Sample], downs: Sequence[Sample]) -> int:
    """Return the recommendation within the bounds of the windows.

    Args:
        recommended: The newest recommendation.
        current: The current replicas.
        ups: Recommendations within the window for more replicas; nothing is added beyond the lowest.
        downs: Recommendations within the window for fewer replicas; nothing is removed below the highest.
    """
    lowest = min((replicas for _, replicas in ups), default=recommended)
    highest = max((replicas for _, replicas in downs), default=recommended)
    return min(max(current, min(lowest, recommended)), max(highest, recommended))


def rate_limited(recommended: int, current: int, events: Sequence[Sample], now: float, behavior: Behavior) -> int:
    """Return the recommendation within the limits of the policies.

    Args:
        recommended: The stabilized recommendation.
        current: The current replicas.
        events: Past changes: when, and how many replicas were added, or, negative, removed.
        now: The time in seconds.
        behavior: The rules.
    """
    if recommended > current:
        return min(recommended, max(current, _limit(current, events, now, behavior.up, upwards=True)))
    if recommended < current:
        return max(recommended, min(current, _limit(current, events, now, behavior.down, upwards=False)))
    return recommended


def _limit(current: int, events: Sequence[Sample], now: float, rules: Rules, *, upwards: bool) -> int:
    if rules.select == "Disabled":
        return current
    if not rules.policies:
        return 2**31 if upwards else 0
    proposals = [_proposal(policy, current, events, now, upwards=upwards) for policy in rules.policies]
    return max(proposals) if upwards == (rules.select == "Max") else min(proposals)


def _proposal(policy: Policy, current: int, events: Sequence[Sample], now: float, *, upwards: bool) -> int:
    start = current - sum(change for time, change in events if now - time < policy.period)
    sign = 1 if upwards else -1
    if policy.type == "Pods":
        return start + sign * policy.value
    exact = start * (1 + sign * policy.value / 100)
    return math.ceil(exact) if upwards else math.floor(exact)
