"""How many pods a load needs, from two measurements: one client alone, and several at the same time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from speechcli.load_report import Report, Spread

UTILIZATION = 0.7
"""Share of the measured throughput to plan with: waiting times grow without bound towards 1 (M/M/c queue)."""
SATURATED_ABOVE = 1.25
"""With spare capacity, requests take hardly longer than alone. By Little's law N clients then reach 0.8 times the
throughput of N single ones, without the last requests of a test, during which not all clients are busy."""
STAGES = {"transcribe": "whisper", "generate": "ollama"}
FEW_REQUESTS = 30


@dataclass(frozen=True)
class Sizing:
    """A verdict, and what limits its validity.

    `bottleneck` is a component, or empty if the load did not saturate any. `pods_needed` is the number of its pods for
    the target, None without a target, a bottleneck or the number of its pods. `rate` is seconds of audio per second.
    """

    bottleneck: str
    rate: float
    pods: int | None
    pods_needed: int | None
    sentences: tuple[str, ...]
    limits: tuple[str, ...]


def size(
    alone: Report,
    loaded: Report,
    pods: Mapping[str, int],
    target: float | None,
    *,
    forwarded: bool,
    reported: str = "",
) -> Sizing:
    """Return the verdict.

    Args:
        alone: one client.
        loaded: the measurement to judge.
        pods: ready pods of each component during it; empty if they are unknown or changed.
        target: seconds of audio per second that the pipeline is to process.
        forwarded: whether the requests went through a port-forward.
        reported: the bottleneck in the pipeline's status after the measurement, empty if it has none or is unknown.
    """
    limits = tuple(_limits(loaded, pods, forwarded=forwarded))
    rate = loaded.audio_seconds_per_second
    if not loaded.succeeded or not alone.succeeded:
        return Sizing("", rate, None, None, ("no request succeeded: there is nothing to size",), limits)
    if not _saturated(alone, loaded):
        sentence = (
            f"{loaded.concurrency} clients did not saturate the pipeline: it processes at least {rate:.1f} s of audio "
            "per second; raise --clients to find its limit"
        )
        met = (f"the target of {target:g} is met",) if target is not None and target <= rate * UTILIZATION else ()
        return Sizing("", rate, None, None, (sentence, *met), limits)
    bottleneck = reported or bottleneck_of(alone, loaded)
    count = pods.get(bottleneck)
    sentences = [f"{bottleneck} is the bottleneck: the pipeline processes {rate:.1f} s of audio per second"]
    needed = None
    if target is not None and count:
        per_pod = rate / count * UTILIZATION
        needed = max(1, math.ceil(target / per_pod))
        sentences.append(
            f"{target:g} s of audio per second need {needed} pods of {bottleneck}, {count} "
            f"{'is' if count == 1 else 'are'} ready: {per_pod:.1f} per pod at {UTILIZATION:.0%} utilization"
        )
    elif target is not None:
        sentences.append(f"how many pods of {bottleneck} took part is not known: no number of pods is computed")
    return Sizing(bottleneck, rate, count, needed, tuple(sentences), limits)


def bottleneck_of(alone: Report, loaded: Report) -> str:
    """Return the component whose stage became slower by the most time under load.

    If waiting grew even more, requests wait for pods that work at their usual speed: those of the slower stage.
    """
    grown = {stage: _mean_of(loaded, stage) - _mean_of(alone, stage) for stage in (*STAGES, "queue")}
    if max(grown, key=lambda stage: grown[stage]) == "queue":
        return STAGES[max(STAGES, key=lambda stage: _mean_of(loaded, stage))]
    return STAGES[max(STAGES, key=lambda stage: grown[stage])]


def _saturated(alone: Report, loaded: Report) -> bool:
    """Return whether requests took longer than alone, or were refused."""
    return _mean(loaded.latency_ms) > SATURATED_ABOVE * _mean(alone.latency_ms) or "overloaded" in loaded.errors


def _mean_of(measured: Report, stage: str) -> float:
    return _mean(getattr(measured, f"{stage}_ms"))


def _mean(spread: Spread | None) -> float:
    return spread.mean if spread else 0.0


def _limits(loaded: Report, pods: Mapping[str, int], *, forwarded: bool) -> list[str]:
    limits = ["one recording was sent repeatedly: other lengths, languages and prompts take other times"]
    if loaded.requests < FEW_REQUESTS:
        limits.append(f"{loaded.requests} requests are few: high percentiles are close to the maximum")
    if forwarded:
        limits.append("a port-forward leads to one bridge pod and costs time itself: --url measures what users get")
    if not pods:
        limits.append("the number of ready pods is unknown or changed during the test")
    limits.append(
        "other traffic on the pipeline counts as if it were slowness; pods scale linearly only on equal nodes"
    )
    return limits
