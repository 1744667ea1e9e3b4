"""Arrivals of recordings: bursts, a day, and sessions with nothing in between. The seeds are fixed."""

from __future__ import annotations

import math
import random
from bisect import bisect_right
from functools import partial
from typing import TYPE_CHECKING

from speechoperator.simulation.stage import Job

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MEAN_AUDIO_S = 60.0
_SIGMA = 1.0  # of the logarithm of a recording's length: most are short, a few are long
_HOUR_S = 3600.0
_DAY_S = 24 * _HOUR_S


def bursts(seed: int, hours: float = 2.0) -> list[Job]:
    """Return a calm load, and bursts of half a minute to four minutes, on average every five minutes.

    The variance over the mean of the arrivals in 10 s is like that of the burstiest public trace (Azure's LLM inference
    trace of 2023, code: 71).
    """
    random_ = random.Random(seed)
    ends, calm = hours * _HOUR_S, 0.3
    switches: list[tuple[float, float]] = []
    time = 0.0
    while time < ends:
        length = random_.expovariate(1 / 200.0)
        switches.append((time, calm))
        time += length
        burst = calm * random_.uniform(5, 60)
        switches.append((time, burst))
        time += random_.uniform(30, 150)

    starts = [start for start, _ in switches]

    def rate(at: float) -> float:
        return switches[bisect_right(starts, at) - 1][1]

    return list(_poisson(random_, rate, 60 * calm, ends))


def day(seed: int) -> list[Job]:
    """Return 24 hours: quiet at night, a peak before noon and one in the afternoon, and noise of ten minutes."""
    random_ = random.Random(seed)
    noise = [random_.lognormvariate(0, 0.25) for _ in range(24 * 6 + 1)]

    def rate(at: float) -> float:
        hour = at / _HOUR_S
        shape = math.exp(-(((hour - 10.5) / 1.8) ** 2)) + 0.9 * math.exp(-(((hour - 15) / 2.2) ** 2))
        return (0.02 + 1.2 * shape) * noise[int(at // 600)]

    return list(_poisson(random_, rate, 3.5, _DAY_S))


def _always(rate: float, _: float) -> float:
    return rate


def sessions(seed: int, hours: float = 12.0) -> list[Job]:
    """Return sessions of 5 to 20 minutes at a constant rate, with 20 to 60 minutes without any request in between."""
    random_ = random.Random(seed)
    jobs: list[Job] = []
    time = 600.0
    while time < hours * _HOUR_S:
        length, rate = random_.uniform(300, 1200), random_.uniform(0.1, 0.8)
        steady = partial(_always, rate)
        jobs += [Job(time + job.arrival, job.work) for job in _poisson(random_, steady, rate, length)]
        time += length + random_.uniform(1200, 3600)
    return jobs


def dispersion(jobs: list[Job], interval: float = 10.0) -> float:
    """Return the variance over the mean of the arrivals per interval: 1 for a Poisson process."""
    counts = [0] * (int(jobs[-1].arrival / interval) + 1)
    for job in jobs:
        counts[int(job.arrival / interval)] += 1
    mean = len(jobs) / len(counts)
    return sum((count - mean) ** 2 for count in counts) / len(counts) / mean


def _poisson(random_: random.Random, rate: Callable[[float], float], highest: float, until: float) -> Iterator[Job]:
    """Yield a Poisson process whose rate varies, by thinning."""
    time = 0.0
    while (time := time + random_.expovariate(highest)) < until:
        if random_.random() * highest < rate(time):
            yield Job(time, MEAN_AUDIO_S * random_.lognormvariate(-(_SIGMA**2) / 2, _SIGMA))
