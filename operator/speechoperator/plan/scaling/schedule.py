"""Schedules: more replicas at certain times of the week, such as office hours."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from speechoperator.plan.scaling.state import ScaledComponent

EVERY_DAY = frozenset(range(7))


@dataclass(frozen=True, slots=True)
class Schedule:
    """A minimum of replicas at certain times of the week.

    Attributes:
        component: Whose replicas.
        minimum: At least so many, within the component's maximum.
        start: Local time at which they are ready.
        end: Local time until which; if it is not after `start`, on the next day.
        days: Days on which it starts; Monday is 0.
        time_zone: IANA name, such as Europe/Berlin; `is_time_zone` holds.
        name: Its name.
    """

    component: ScaledComponent
    minimum: int
    start: time
    end: time
    days: frozenset[int] = EVERY_DAY
    time_zone: str = "UTC"
    name: str = ""

    def active(self, now: float) -> bool:
        """Return whether `now`, in seconds since the epoch, is within it."""
        local = datetime.fromtimestamp(now, ZoneInfo(self.time_zone))
        clock = local.time()
        if self.start < self.end:
            return local.weekday() in self.days and self.start <= clock < self.end
        if clock >= self.start:
            return local.weekday() in self.days
        return clock < self.end and (local - timedelta(days=1)).weekday() in self.days


@lru_cache
def is_time_zone(name: str) -> bool:
    """Return whether the time zone database has a zone of this name."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def scheduled_minimum(schedules: Iterable[Schedule], component: ScaledComponent, now: float, startup: float) -> int:
    """Return the highest minimum that applies; 0 if none does."""
    found = applying(schedules, component, now, startup)
    return found.minimum if found else 0


def applying(schedules: Iterable[Schedule], component: ScaledComponent, now: float, startup: float) -> Schedule | None:
    """Return the schedule with the highest minimum that applies; None if none does.

    A schedule applies one startup time early, so that its pods are ready when it starts.
    """
    return max(
        (
            schedule
            for schedule in schedules
            if schedule.component == component and (schedule.active(now) or schedule.active(now + startup))
        ),
        key=lambda schedule: schedule.minimum,
        default=None,
    )
