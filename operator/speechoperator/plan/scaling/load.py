"""The work of a component: the sums of what its pods and the bridges report at `/load`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

STALE_AFTER_S = 45.0
"""Age from which a load is unknown: three times the interval of the comments in an idle stream."""

_LARGEST = 1e12
"""Nothing that is counted gets larger: sums of what a broken pod reports stay finite."""


@dataclass(frozen=True, slots=True)
class Report:
    """What one pod or bridge reports at `/load`; None is unknown, 0 is no work.

    Attributes:
        held: Requests without a pod.
        waiting: Requests in its queue.
        working: Requests in work.
        slots: How many requests it works on together.
        audio_seconds_waiting: Audio of the requests that are held or waiting.
        audio_seconds_working: Audio that the requests in work have yet to decode.
        audio_seconds_per_second: Its measured speed; 0 before the first measurement.
        oldest_wait_seconds: How long the first waiting request has waited.
        coming: Requests that will arrive once they are transcribed; only bridges report them, for Ollama.
    """

    held: float | None = None
    waiting: float | None = None
    working: float | None = None
    slots: float | None = None
    audio_seconds_waiting: float | None = None
    audio_seconds_working: float | None = None
    audio_seconds_per_second: float | None = None
    oldest_wait_seconds: float | None = None
    coming: float | None = None

    @classmethod
    def parse(cls, members: Mapping[str, object]) -> Report:
        """Read the members of a `/load` document; what is missing, negative, beyond reason or not a number is None."""
        return cls(**{name: _amount(members.get(name)) for name in cls.__slots__})


@dataclass(frozen=True, slots=True)
class Load:
    """The work of a component; None is unknown, no traffic is 0.

    Attributes:
        held: Requests that a bridge holds because no pod is reachable.
        waiting: Requests in the pods' queues.
        working: Requests in work.
        busy: Pods with requests in work.
        audio_seconds_waiting: Audio of the requests that are held or waiting.
        audio_seconds_working: Audio that the requests in work have yet to decode.
        speed: Seconds of audio per second of one pod: the mean of all pods that have measured it.
        oldest_wait_seconds: How long the first of the waiting requests has waited.
        coming: Requests that will arrive once they are transcribed; None if a bridge does not report them.
        seen_at: When this was last known to be true, in seconds since the epoch; None if it never was.
    """

    held: float | None = None
    waiting: float | None = None
    working: float | None = None
    busy: float | None = None
    audio_seconds_waiting: float | None = None
    audio_seconds_working: float | None = None
    speed: float | None = None
    oldest_wait_seconds: float | None = None
    coming: float | None = None
    seen_at: float | None = None

    def known(self, now: float) -> bool:
        """Return whether requests are counted and the counts are recent.

        A load from the future was seen before the clock was set back, so it is recent.
        """
        return self.seen_at is not None and now - self.seen_at <= STALE_AFTER_S and self.requests is not None

    @property
    def requests(self) -> float | None:
        """All requests: held, waiting and in work."""
        return _sum_of_known((self.held, self.waiting, self.working))

    @property
    def audio_seconds(self) -> float | None:
        """All audio that is not decoded yet."""
        return _sum_of_known((self.audio_seconds_waiting, self.audio_seconds_working))


@dataclass(frozen=True, slots=True)
class Loads:
    """The loads of both scaled components."""

    whisper: Load = Load()
    ollama: Load = Load()


def total(reports: Iterable[Report], seen_at: float | None) -> Load:
    """Sum the reports of a component's pods, and of the bridges that hold requests for it.

    Args:
        reports: One report for each pod and bridge. Without any, nothing works or waits, and every sum is 0.
        seen_at: When the oldest of the reports was last known to be true.
    """
    every = list(reports)
    speeds = [report.audio_seconds_per_second for report in every if report.audio_seconds_per_second]
    coming = [report.coming for report in every if report.coming is not None]
    waits = [report.oldest_wait_seconds for report in every if report.oldest_wait_seconds is not None]
    return Load(
        held=_sum(report.held for report in every),
        waiting=_sum(report.waiting for report in every),
        working=_sum(report.working for report in every),
        busy=float(sum(1 for report in every if report.working)),
        audio_seconds_waiting=_sum(report.audio_seconds_waiting for report in every),
        audio_seconds_working=_sum(report.audio_seconds_working for report in every),
        speed=sum(speeds) / len(speeds) if speeds else None,
        oldest_wait_seconds=max(waits, default=0.0),
        coming=float(sum(coming)) if len(coming) == len(every) else None,
        seen_at=seen_at,
    )


def _sum(values: Iterable[float | None]) -> float | None:
    """Return the sum; None if there are values, but all are unknown."""
    every = list(values)
    return _sum_of_known(every) if every else 0.0


def _sum_of_known(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(sum(known)) if known else None


def _amount(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value <= _LARGEST else None
