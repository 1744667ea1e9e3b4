"""Replicas that the load needs, as real numbers, from averages and from what waits now.

An average is an exponential one: an observation weighs `exp(-age / window)`. From zero replicas, the past says nothing:
the stable average is of the time since the first request, but at least of `SHORTEST_AVERAGE_S`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from speechoperator.plan.scaling.history import Averages
from speechoperator.plan.scaling.staffing import square_root

if TYPE_CHECKING:
    from speechoperator.plan.scaling.behavior import Behavior
    from speechoperator.plan.scaling.load import Load
    from speechoperator.plan.scaling.spec import OllamaScaling, WhisperScaling

SHORTEST_AVERAGE_S = 10.0
SHORTEST_TARGET_S = 10.0
LONGEST_TARGET_S = 300.0


@dataclass(frozen=True, slots=True)
class Need:
    """What a component needs.

    Attributes:
        replicas: Replicas by the average over the stable window; None if unknown.
        panic: Replicas by the average over the panic window; None if unknown.
        averages: The averages, for the next decision.
        reason: How the number came about, in words.
    """

    replicas: float | None
    panic: float | None
    averages: Averages
    reason: str


def target_backlog(scaling: WhisperScaling, startup: float) -> float:
    """Return the seconds within which the waiting audio is to be decoded.

    By default the startup time of a pod: audio that the present pods decode sooner is gone before another could help.
    """
    if scaling.target_backlog is not None:
        return max(scaling.target_backlog, 1.0)
    return min(max(startup, SHORTEST_TARGET_S), LONGEST_TARGET_S)


def whisper_need(
    scaling: WhisperScaling, load: Load, ready: int, startup: float, before: Averages | None, elapsed: float
) -> Need:
    """Return the Whisper replicas that the load needs.

    The arriving audio follows from the conservation of flow: what was decoded, plus the growth of the backlog. One
    recording is decoded by one pod, so a backlog needs at most as many pods as there are requests.

    Args:
        scaling: The spec.
        load: A known load.
        ready: Ready pods.
        startup: Startup time of a pod in seconds.
        before: The averages of the last decision; None before the first.
        elapsed: Seconds since then.
    """
    last = before or Averages()
    speed = load.speed or last.speed or scaling.assumed_speed
    audio = load.audio_seconds
    working = load.working or 0.0
    if speed is None or audio is None:
        unknown = "the speed of a pod" if speed is None else "the audio of the requests"
        return Need(None, None, last, f"{unknown} is not known yet")

    busy = load.busy if load.busy is not None else min(working, float(ready))
    growth = 0.0 if last.audio_seconds is None or elapsed <= 0 else (audio - last.audio_seconds) / (elapsed * speed)
    averages = _averaged(before, max(0.0, busy + growth), busy, working, elapsed, scaling.behavior, audio, speed)
    quality = scaling.behavior.service_quality
    target = target_backlog(scaling, startup)
    backlog = audio / (speed * target)
    most = max(square_root(averages.busy, quality), load.requests or 0.0)
    stable, panic = (
        min(max(square_root(average, quality), average + backlog), most)
        for average in (averages.stable, averages.panic)
    )
    reason = (
        f"{audio:.0f} s of audio to decode within {target:.0f} s at {speed:.1f} s/s per pod, "
        f"and arriving audio that keeps {averages.stable:.1f} pods busy, need {stable:.1f} replicas"
    )
    return Need(stable, panic, averages, reason)


def ollama_need(scaling: OllamaScaling, load: Load, coming: float, before: Averages | None, elapsed: float) -> Need:
    """Return the Ollama replicas that the load needs.

    Args:
        scaling: The spec.
        load: A known load.
        coming: Requests that Whisper is about to send, beyond the usual number.
        before: The averages of the last decision; None before the first.
        elapsed: Seconds since then.
    """
    working = load.working or 0.0
    queued = (load.held or 0.0) + (load.waiting or 0.0) + coming
    quality = scaling.behavior.service_quality
    averages = _averaged(before, working, working, working, elapsed, scaling.behavior, None, None)
    stable, panic = (
        max(square_root(average, quality), average + queued) / scaling.target_in_flight
        for average in (averages.stable, averages.panic)
    )
    reason = (
        f"{averages.stable:.1f} requests in flight on average, {queued:.0f} waiting or about to come, "
        f"{scaling.target_in_flight} per replica, need {stable:.1f} replicas"
    )
    return Need(stable, panic, averages, reason)


def _averaged(
    before: Averages | None,
    offered: float,
    busy: float,
    working: float,
    elapsed: float,
    behavior: Behavior,
    audio: float | None,
    speed: float | None,
) -> Averages:
    if before is None:
        return Averages(offered, offered, busy, working, audio, speed)
    slow, fast, shortest = (
        -math.expm1(-seconds / window)
        for seconds, window in (
            (elapsed, behavior.stable_window),
            (elapsed, behavior.panic_window),
            (SHORTEST_AVERAGE_S, behavior.stable_window),
        )
    )
    weight = before.weight + slow * (1 - before.weight)
    slow /= max(weight, shortest)
    return Averages(
        stable=before.stable + slow * (offered - before.stable),
        panic=before.panic + fast * (offered - before.panic),
        busy=before.busy + slow * (busy - before.busy),
        working=before.working + slow * (working - before.working),
        audio_seconds=audio,
        speed=speed,
        weight=weight,
    )
