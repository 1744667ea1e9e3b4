"""From the needed replicas of one component to the replicas it gets: the rules, in their order.

Each rule that changes the number says so in a sentence without numbers that vary, so that a status with these sentences
is written only when something changes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from speechoperator.plan.scaling.behavior import Behavior, rate_limited, stabilized, within_tolerance
from speechoperator.plan.scaling.history import Cap

if TYPE_CHECKING:
    from speechoperator.plan.scaling.history import Track
    from speechoperator.plan.scaling.need import Need
    from speechoperator.plan.scaling.spec import Bounds
    from speechoperator.plan.scaling.state import ComponentState

Limit: TypeAlias = Literal["maximum", "nodes", "budget"]
"""What keeps a component from the replicas that its load needs: `maxReplicas`, no room on nodes, the GPU budget."""

RETRY_UNSCHEDULABLE_S = 600.0
"""Seconds after which replicas that found no node are tried again."""

_ROUNDING = 1e-6


@dataclass(frozen=True, slots=True)
class Proposal:
    """Replicas of one component, before the GPU budget.

    Attributes:
        replicas: Replicas it gets.
        reason: Why, in words.
        limits: What else determined the number, in words.
        limited_by: Which limits keep the component from getting what its load needs.
        track: The memory for the next decision, without the change itself.
    """

    replicas: int
    reason: str
    limits: tuple[str, ...]
    track: Track
    limited_by: frozenset[Limit] = frozenset()


def propose(
    bounds: Bounds, behavior: Behavior, state: ComponentState, need: Need | None, track: Track, now: float
) -> Proposal:
    """Decide the replicas of one component.

    Args:
        bounds: The replicas it may have, with what a schedule adds.
        behavior: How replicas follow the need.
        state: Its pods.
        need: What its load needs; None if the load is unknown.
        track: Its memory, with `active_at` of this decision.
        now: The time in seconds.
    """
    current = state.desired
    limits: list[str] = []
    limited_by: set[Limit] = set()
    wanted = _wanted(need, behavior, current, track, now)
    recommended, reason = wanted.replicas, wanted.reason
    clamped = min(max(recommended, bounds.minimum), bounds.maximum)
    if clamped < recommended:
        limits.append(bounds.maximum_reason)
        limited_by.add("maximum")
    elif clamped > recommended:
        limits.append(bounds.minimum_reason)
    if limits and (not wanted.known or clamped > max(recommended, current)):
        reason = limits[-1]

    track = track.recommend(clamped, now, behavior.up.window, behavior.down.window)
    # The idle period is a delay of its own for the last replica, which does not wait for the window as well.
    highs = tuple(one for one in track.highs if one[1] > 1) if wanted.idle else track.highs
    target = stabilized(clamped, current, () if wanted.panicking else track.lows, highs)
    if target != clamped:
        limits.append("the stabilization window has not passed")
    # The first replica is no change of rate: a percentage of zero is zero. KEDA activates outside the policies, too.
    least = 1 if current == 0 and clamped > 0 else 0
    target = max(target, least)
    limited = max(rate_limited(target, current, track.events, now, behavior), least)
    if limited != target:
        limits.append("the policies allow no larger change now")
    limited, limits = _keep_loading(limited, state, limits)
    limited = min(max(limited, bounds.minimum), bounds.maximum)
    limited, track = _withdraw_unschedulable(limited, bounds, state, track, now)
    if track.cap and limited == track.cap.replicas:
        limits.append(f"no node has room for more: {track.cap.message}" if track.cap.message else "no node has room")
        limited_by.add("nodes")
    return Proposal(limited, reason, tuple(limits), track, frozenset(limited_by))


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Replicas by the load alone.

    Attributes:
        replicas: Replicas.
        reason: Why, in words.
        known: Whether the need is known; else the replicas are the current ones.
        panicking: Whether a burst demands them at once.
        idle: Whether there has been no request for the idle period.
    """

    replicas: int
    reason: str
    known: bool = True
    panicking: bool = False
    idle: bool = False


def _wanted(need: Need | None, behavior: Behavior, current: int, track: Track, now: float) -> _Wanted:
    if need is None:
        return _Wanted(current, "the load is unknown: replicas are kept", known=False)
    if _idle(track, behavior, now):
        return _Wanted(0, f"no request for {behavior.idle_period:.0f} s", idle=True)
    if need.replicas is None:
        return _Wanted(max(current, 1) if track.active_at == now else current, need.reason, known=False)
    recommended, panicking = _recommended(need, behavior, current)
    reason = need.reason
    if panicking:
        reason += f"; the last {behavior.panic_window:.0f} s alone need {need.panic:.1f}"
    return _Wanted(max(recommended, 1), reason, panicking=panicking)


def _recommended(need: Need, behavior: Behavior, current: int) -> tuple[int, bool]:
    """Return the recommended replicas, and whether a burst demands them at once."""
    replicas, panic = need.replicas or 0.0, need.panic or 0.0
    recommended = current if within_tolerance(replicas, current, behavior) else math.ceil(replicas - _ROUNDING)
    if panic >= behavior.panic_threshold * max(current, 1):
        return max(recommended, math.ceil(panic - _ROUNDING)), True
    return recommended, False


def _idle(track: Track, behavior: Behavior, now: float) -> bool:
    """Return whether there has been no request for the idle period; averages never quite reach zero."""
    return track.active_at is None or now - track.active_at >= behavior.idle_period


def _keep_loading(target: int, state: ComponentState, limits: list[str]) -> tuple[int, list[str]]:
    """Keep loading pods: the ReplicaSet would delete those without a node first, and then those that are not ready."""
    if target >= state.desired or not state.starting:
        return target, limits
    kept = max(target, state.desired - state.pending)
    return kept, [*limits, "a pod is still loading"] if kept > target else limits


def _withdraw_unschedulable(
    target: int, bounds: Bounds, state: ComponentState, track: Track, now: float
) -> tuple[int, Track]:
    """Withdraw replicas that find no node, and try again later.

    The last one that is wanted stays: it tells the cluster's autoscaler what is missing, and gets the next free node.
    """
    cap = track.cap
    if cap and now >= cap.until:
        cap = None
    least = max(bounds.minimum, min(target, 1))
    if state.unschedulable and state.desired > bounds.minimum:
        running = state.ready + state.starting  # the pods seen may be older than the last write of spec.replicas
        room = max(state.desired - state.unschedulable, min(running, state.desired), least)
        cap = Cap(room, now + RETRY_UNSCHEDULABLE_S, state.scheduler_message)
    target = min(target, max(cap.replicas, least)) if cap else target
    return target, replace(track, cap=cap)
