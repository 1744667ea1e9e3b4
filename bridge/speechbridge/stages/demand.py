"""The demand for the pods of a stage: the requests of this bridge, by how far they are.

`GET /load` reports it, and the operator scales by it: what no pod has can only be counted here.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Self, TypeAlias

from speechbridge.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

REMEMBER_S = 300.0
"""Seconds for which a request that got no pod counts as held after its client has left: its retry finds a pod."""

_NEVER = float("-inf")

Seconds: TypeAlias = "float | Callable[[], float]"
"""The duration of a recording, or what estimates it while it arrives; 0 if unknown."""


class Place(StrEnum):
    """How far a request is: without a pod, in the queue of a pod, or in work.

    Of strings, since these have a hash in C; that of a plain `Enum` takes three times as long, several times a request.
    """

    HELD = "held"
    WAITING = "waiting"
    WORKING = "working"


@dataclass(frozen=True, slots=True)
class StageLoad:
    """The requests of a stage at one moment.

    Attributes:
        held: Requests that no pod has; at least 1 while a request that got no pod is remembered.
        waiting: Requests in the queue of a pod.
        working: Requests in work.
        audio_seconds_held: Audio of the held requests.
        audio_seconds_waiting: Audio of the waiting requests.
        audio_seconds_working: Audio of the requests in work, of which a part may be done.
        oldest_wait_seconds: How long the first of the held and waiting requests has waited.
    """

    held: int
    waiting: int
    working: int
    audio_seconds_held: float
    audio_seconds_waiting: float
    audio_seconds_working: float
    oldest_wait_seconds: float


class Demand:
    """Counts the requests of one stage.

    Args:
        clock: Seconds of a monotonic clock.
        reachable: Returns whether a pod can be reached.
        typical: Returns the seconds of audio that a recording of unknown duration counts as.

    Attributes:
        coming: Requests that will want a pod once an earlier stage is done.
        on_change: Called after every change.
        on_hold: Called after a request is held and none was before.
    """

    def __init__(
        self, clock: Callable[[], float], reachable: Callable[[], bool], typical: Callable[[], float] = float
    ) -> None:
        self.coming = 0
        self.on_change: Callable[[], object] = object
        self.on_hold: Callable[[], object] = object
        self._clock = clock
        self._reachable = reachable
        self._typical = typical
        self._wants: dict[Place, dict[Want, None]] = {place: {} for place in Place}  # ordered by when they got there
        self._remembered_until = _NEVER
        self._forget: asyncio.TimerHandle | None = None

    def want(self, audio_seconds: Seconds = 0.0) -> Want:
        """Return a request that counts once it is told where it is."""
        return Want(self, audio_seconds, self._clock())

    def held(self, audio_seconds: Seconds = 0.0) -> Held:
        """Count a request as held during a block (`with`); one that ends with an exception is remembered."""
        return Held(self.want(audio_seconds))

    def announced(self) -> Announced:
        """Count a request as coming during a block (`with`), or until it comes."""
        return Announced(self)

    def remember(self) -> None:
        """Count a request as held for some minutes that ended without a pod; only while none can be reached."""
        if self._reachable():
            return
        held = self.holds
        self._remembered_until = self._clock() + REMEMBER_S
        if self._forget is not None:
            self._forget.cancel()
        self._forget = asyncio.get_running_loop().call_later(REMEMBER_S, self.on_change)
        self.on_change()
        if not held:
            self.on_hold()

    @property
    def holds(self) -> bool:
        """Whether a request is held, or remembered."""
        return bool(self._wants[Place.HELD]) or self._remembers()

    @property
    def held_now(self) -> int:
        """How many requests are held; a remembered one is none of them."""
        return len(self._wants[Place.HELD])

    def load(self) -> StageLoad:
        """Return the load at present."""
        held, waiting, working = (self._wants[place] for place in Place)
        oldest = min((want.since for want in (*held, *waiting)), default=None)
        return StageLoad(
            held=len(held) or int(self._remembers()),
            waiting=len(waiting),
            working=len(working),
            audio_seconds_held=self._audio(held) or (self._typical() if self.holds else 0.0),
            audio_seconds_waiting=self._audio(waiting),
            audio_seconds_working=self._audio(working),
            oldest_wait_seconds=0.0 if oldest is None else self._clock() - oldest,
        )

    def move(self, want: Want, place: Place | None) -> None:
        """Count a request elsewhere; None: no more."""
        # Only a hold can be the first; what is remembered ends when a pod is seen, which is looked at each time.
        held = (place is Place.HELD or self._remembered_until != _NEVER) and self.holds
        if want.place is not None:
            del self._wants[want.place][want]
        want.place = place
        if place is not None:
            self._wants[place][want] = None
        self.on_change()
        if place is Place.HELD and not held:
            self.on_hold()

    def _remembers(self) -> bool:
        if self._remembered_until > self._clock():
            if not self._reachable():
                return True
            self._remembered_until = _NEVER  # a pod has started: what it was remembered for
        return False

    def _audio(self, wants: Iterable[Want]) -> float:
        return sum((want.audio or self._typical() for want in wants), 0.0)


class Announced:
    """A request that will want a pod once an earlier stage is done."""

    __slots__ = ("_counted", "_demand")

    def __init__(self, demand: Demand) -> None:
        self._demand = demand
        self._counted = False

    def __enter__(self) -> Self:
        self._counted = True
        self._demand.coming += 1
        self._demand.on_change()
        return self

    def __exit__(self, *_: object) -> None:
        self.come()

    def come(self) -> None:
        """Count it no more: it wants a pod now, or needs none."""
        if self._counted:
            self._counted = False
            self._demand.coming -= 1
            self._demand.on_change()


class Want:
    """One request of a stage.

    Attributes:
        since: When it was first wanted, by the clock.
        place: Where it counts; None: nowhere.
    """

    __slots__ = ("_audio_seconds", "_demand", "place", "since")

    def __init__(self, demand: Demand, audio_seconds: Seconds, since: float) -> None:
        self.since = since
        self.place: Place | None = None
        self._demand = demand
        self._audio_seconds = audio_seconds

    @property
    def audio(self) -> float:
        """Seconds of audio, 0 if unknown."""
        return self._audio_seconds() if callable(self._audio_seconds) else self._audio_seconds

    def held(self) -> None:
        """Count it as held: no pod has it."""
        self._demand.move(self, Place.HELD)

    def waiting(self) -> None:
        """Count it as waiting in the queue of a pod."""
        self._demand.move(self, Place.WAITING)

    def working(self) -> None:
        """Count it as in work."""
        self._demand.move(self, Place.WORKING)

    def leave(self, error: BaseException | None = None) -> None:
        """Count it no more; one that was held is remembered, unless it was done or rejected."""
        gave_up = self.place is Place.HELD and error is not None and not isinstance(error, Problem)
        if self.place is not None:
            self._demand.move(self, None)
        if gave_up:
            self._demand.remember()


class Held:
    """A request that is held during a block."""

    __slots__ = ("_want",)

    def __init__(self, want: Want) -> None:
        self._want = want

    def __enter__(self) -> None:
        self._want.held()

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, *__: object) -> None:
        self._want.leave(error)
