"""What an operator's process used, and what its metrics say."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.processes import cpu_seconds, status_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

BUCKET = re.compile(r'_bucket\{le="(?P<bound>[^"]+)"\}$')


@dataclass(frozen=True)
class Usage:
    """CPU in seconds since its start, memory in bytes: resident now, and its peak."""

    cpu: float
    resident: int
    peak: int


def usage(pid: int) -> Usage:
    """What a process has used so far."""
    return Usage(cpu_seconds(pid), status_bytes(pid, "VmRSS"), status_bytes(pid, "VmHWM"))


def overall(metrics: Mapping[str, float], counter: str) -> float:
    """A counter over all its labels."""
    return sum(value for name, value in metrics.items() if name.partition("{")[0] == counter)


def quantile(metrics: Mapping[str, float], histogram: str, share: float) -> float:
    """An upper bound of a histogram's quantile: that of the bucket it falls into; inf above all bounds."""
    buckets = sorted(
        (math.inf if found["bound"] == "+Inf" else float(found["bound"]), value)
        for name, value in metrics.items()
        if name.startswith(histogram) and (found := BUCKET.search(name))
    )
    total = buckets[-1][1] if buckets else 0
    return next((bound for bound, count in buckets if count >= share * total), math.nan)
