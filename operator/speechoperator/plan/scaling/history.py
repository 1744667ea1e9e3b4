"""What the scaler remembers from one decision to the next: averages, recommendations and changes.

Everything in it is derived from past loads and decisions. A new leader starts with the changes in
`status.scalingHistory`, and continues their stabilization windows.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from speechoperator.plan.scaling.behavior import Sample
    from speechoperator.plan.scaling.state import ScaledComponent

MAX_CHANGES = 20
"""Changes in `status.scalingHistory`."""

MAX_GAP_S = 60.0
"""Longest time between two decisions; a longer one, or a negative one, is a jump of the clock, and does not count."""

TICK_S = 1.0
"""What counts instead of a jump."""


@dataclass(frozen=True, slots=True)
class Change:
    """A change of the replicas of a component: an entry of `status.scalingHistory`.

    Attributes:
        time: When it was decided, in seconds since the epoch.
        component: Whose replicas.
        before: Replicas before; in the mode Advisory those that run, whatever was advised before.
        after: Replicas after; in the mode Advisory equal to `before` if it is advised again to keep what runs.
        reason: Why.
        id: Short identifier, which is in the log line of the write, too.
        ok: Whether the replicas were written; False in the mode Advisory, or if the write failed.
    """

    time: float
    component: ScaledComponent
    before: int
    after: int
    reason: str
    id: str
    ok: bool = True

    @classmethod
    def decided(
        cls, component: ScaledComponent, before: int, after: int, reason: str, now: float, *, ok: bool = True
    ) -> Change:
        """Return a change with its identifier; equal arguments give equal ones."""
        identifier = hashlib.sha256(f"{component} {now:.3f} {before} {after} {reason}".encode()).hexdigest()[:6]
        return cls(now, component, before, after, reason, identifier, ok)

    def as_status(self) -> dict[str, Any]:
        """Return the entry of `status.scalingHistory`."""
        time = datetime.fromtimestamp(int(self.time), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return {
            "time": time,
            "component": self.component,
            "from": self.before,
            "to": self.after,
            "reason": self.reason,
            "id": self.id,
            "ok": self.ok,
        }

    @classmethod
    def from_status(cls, entry: Mapping[str, Any]) -> Change:
        """Read an entry of `status.scalingHistory`."""
        return cls(
            time=datetime.fromisoformat(entry["time"]).timestamp(),
            component=entry["component"],
            before=entry["from"],
            after=entry["to"],
            reason=entry.get("reason", ""),
            id=entry.get("id", ""),
            ok=entry.get("ok", True),
        )


@dataclass(frozen=True, slots=True)
class Averages:
    """The load of a component over time, in servers that it keeps busy: pods of Whisper, slots of Ollama.

    Attributes:
        stable: Average over the stable window.
        panic: Average over the panic window.
        busy: Average of the servers that were busy, over the stable window: what the pods could do of the load.
        working: Average of the requests in work, over the stable window.
        audio_seconds: All audio that was not decoded at the last decision; None if unknown.
        speed: Last known speed of a pod, in seconds of audio per second.
        weight: Share of the average that was observed: 1 after a long time, 0 at the first request from zero replicas.
    """

    stable: float = 0.0
    panic: float = 0.0
    busy: float = 0.0
    working: float = 0.0
    audio_seconds: float | None = None
    speed: float | None = None
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Cap:
    """A limit on replicas after pods found no node.

    Attributes:
        replicas: At most so many.
        until: When more are tried again, in seconds since the epoch.
        message: Why, in the scheduler's words.
    """

    replicas: int
    until: float
    message: str


@dataclass(frozen=True, slots=True)
class Startup:
    """The measured startup time of a component's pods.

    Attributes:
        seconds: Time from the creation of a pod until it was ready.
        measured: Pods created later have not been measured yet: a time of the API. The readiness of older ones may have
            changed since their start.
    """

    seconds: float
    measured: str


@dataclass(frozen=True, slots=True)
class Track:
    """The memory of one component.

    Attributes:
        averages: Its load over time; None before the first known load.
        highs: Recommendations that may still limit scaling down.
        lows: Recommendations that may still limit scaling up.
        events: Changes within the periods of the policies: when, and how many replicas were added or removed.
        active_at: When it last had a request; None if it has not been seen with one.
        cap: Limit after pods found no node.
        startup: The measured startup time of its pods.
        advised: The replicas that were advised last in the mode Advisory; None if so many run.
    """

    averages: Averages | None = None
    highs: tuple[Sample, ...] = ()
    lows: tuple[Sample, ...] = ()
    events: tuple[Sample, ...] = ()
    active_at: float | None = None
    cap: Cap | None = None
    startup: Startup | None = None
    advised: int | None = None

    def recommend(self, replicas: int, now: float, up_window: float, down_window: float) -> Track:
        """Add a recommendation, and drop those that are too old or can no longer be the highest or lowest."""
        highs = (*(one for one in self.highs if one[1] > replicas and now - one[0] < down_window), (now, replicas))
        lows = (*(one for one in self.lows if one[1] < replicas and now - one[0] < up_window), (now, replicas))
        return replace(self, highs=highs, lows=lows)

    def shifted(self, seconds: float) -> Track:
        """Move all times, as after a jump of the clock."""
        return replace(
            self,
            highs=_shift(self.highs, seconds),
            lows=_shift(self.lows, seconds),
            events=_shift(self.events, seconds),
            active_at=None if self.active_at is None else self.active_at + seconds,
            cap=replace(self.cap, until=self.cap.until + seconds) if self.cap else None,
        )


@dataclass(frozen=True, slots=True)
class Reported:
    """What the status says about the load at the moment, which changes faster than a status should.

    Attributes:
        backlog_seconds: Audio that waits, rounded; None if unknown.
        bottleneck: The component that limits the pipeline; None if none does.
        limits: What limits the replicas: reason and message of the condition ScalingActive; None if there is a fault.
        at: Since when it says so, in seconds since the epoch.
    """

    backlog_seconds: int | None
    bottleneck: ScaledComponent | None
    limits: tuple[str, str] | None
    at: float


@dataclass(frozen=True, slots=True)
class History:
    """The memory of a pipeline's scaler.

    Attributes:
        at: When the last decision was made, in seconds since the epoch; None before the first of this leader.
        whisper: Memory of Whisper.
        ollama: Memory of Ollama.
        changes: The last changes, the oldest first.
        reported: What the status says about the load; None before the first of this leader.
    """

    at: float | None = None
    whisper: Track = field(default_factory=Track)
    ollama: Track = field(default_factory=Track)
    changes: tuple[Change, ...] = ()
    reported: Reported | None = None

    @classmethod
    def from_status(cls, entries: Iterable[Mapping[str, Any]]) -> History:
        """Restore what `status.scalingHistory` says: the changes, and the windows that they started."""
        changes = tuple(Change.from_status(entry) for entry in entries)[-MAX_CHANGES:]
        return cls(whisper=_restored("whisper", changes), ollama=_restored("ollama", changes), changes=changes)

    def at_time(self, now: float) -> tuple[History, float]:
        """Return the history as if the clock had run evenly, and the seconds since the last decision.

        Windows of time neither end early nor last for long because the clock was set, or the machine was suspended.
        """
        if self.at is None:
            return replace(self, at=now), 0.0
        elapsed = now - self.at
        if 0 <= elapsed <= MAX_GAP_S:
            return replace(self, at=now), elapsed
        jump = elapsed - TICK_S
        shifted = replace(self, at=now, whisper=self.whisper.shifted(jump), ollama=self.ollama.shifted(jump))
        return shifted, TICK_S

    def last(self, component: ScaledComponent, *, written: bool = True) -> Change | None:
        """Return the last change of a component's replicas: that was written, or whether it was or not."""
        return next(
            (one for one in reversed(self.changes) if one.component == component and (one.ok or not written)), None
        )

    def failed(self, change_id: str) -> History:
        """Return the history after a change could not be written: it is not ok, and no policy counts it.

        A failure of what the last change was about is not listed: another writer undid it, or it has failed before.
        """
        changes: tuple[Change, ...] = ()
        for one in self.changes:
            failed = replace(one, ok=False) if one.id == change_id else one
            if one.id != change_id or not _repeats(failed, changes):
                changes += (failed,)
        times = {one.time for one in self.changes if one.id == change_id}
        without = [
            replace(track, events=tuple(event for event in track.events if event[0] not in times))
            for track in (self.whisper, self.ollama)
        ]
        return replace(self, whisper=without[0], ollama=without[1], changes=changes)

    def add(self, changes: Iterable[Change]) -> History:
        """Append changes, and drop the oldest beyond the limit."""
        return replace(self, changes=(*self.changes, *changes)[-MAX_CHANGES:])


def _repeats(change: Change, before: tuple[Change, ...]) -> bool:
    last = next((one for one in reversed(before) if one.component == change.component), None)
    return last is not None and (last.before, last.after) == (change.before, change.after)


def _restored(component: ScaledComponent, changes: tuple[Change, ...]) -> Track:
    found = [change for change in changes if change.component == component]
    advised = found[-1].after if found and not found[-1].ok else None
    made = [change for change in found if change.ok]
    if not made:
        return Track(advised=advised)
    last = made[-1]
    events = tuple((change.time, change.after - change.before) for change in made)
    return Track(highs=((last.time, last.after),), events=events, active_at=last.time, advised=advised)


def _shift(samples: tuple[Sample, ...], seconds: float) -> tuple[Sample, ...]:
    return tuple((time + seconds, replicas) for time, replicas in samples)
