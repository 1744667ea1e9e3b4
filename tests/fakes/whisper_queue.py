"""The queue of this project's own Whisper server, and how it reports its load."""

import math
import re
from collections.abc import Callable

from fakes.received import Received

AUDIO_SECONDS = "Speech-Audio-Seconds"

_ASSUMED_SPEED = 4.0
_NUMBER = re.compile(r"\d+(\.\d+)?")


class WhisperQueue:
    """`slots` requests work at once, `room` more wait; first come, first served.

    `speed` is the measured speed in seconds of audio per second: 0 until a test says otherwise. A recording counts as
    long as its client announced, else as nothing.
    """

    def __init__(self, slots: int, room: int, clock: Callable[[], float], speed: float = 0.0) -> None:
        self.slots = slots
        self.room = room
        self.speed = speed
        self.waiting: list[Received] = []
        self.working: list[Received] = []
        self._clock = clock

    @property
    def full(self) -> bool:
        """Whether one more request is refused."""
        return len(self.working) >= self.slots and len(self.waiting) >= self.room

    def has_turn(self, received: Received) -> bool:
        return received is self.waiting[0] and len(self.working) < self.slots

    def release(self, received: Received) -> None:
        if received in self.working:
            self.working.remove(received)

    def load(self) -> dict[str, int | float]:
        """The members of /load."""
        return {
            "held": 0,
            "waiting": len(self.waiting),
            "working": len(self.working),
            "slots": self.slots,
            "audio_seconds_waiting": round(_total(self.waiting), 3),
            "audio_seconds_working": round(_total(self.working), 3),
            "audio_seconds_per_second": round(self.speed, 3),
            "oldest_wait_seconds": round(self._clock() - self.waiting[0].arrived, 3) if self.waiting else 0.0,
        }

    def header(self) -> str:
        """The value of Speech-Load."""
        return ", ".join(f"{name}={value}" for name, value in self.load().items())

    def retry_after(self) -> int:
        backlog = _total(self.waiting) + _total(self.working)
        return max(1, math.ceil(min(600, backlog / (self.speed or _ASSUMED_SPEED))))


def _total(requests: list[Received]) -> float:
    return sum((_announced(received) for received in requests), 0.0)


def _announced(received: Received) -> float:
    text = received.headers.get(AUDIO_SECONDS, "")
    return min(float(text), 4 * 3600.0) if _NUMBER.fullmatch(text) else 0.0
