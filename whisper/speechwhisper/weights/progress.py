"""How far a download is: bytes, rate, and seconds left."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any, Literal

Stage = Literal["waiting", "downloading", "verifying", "ready"]

_WINDOW_S = 15.0
"""Seconds over which the rate is averaged."""
_SETTLED_S = 3.0
"""Seconds of samples below which a rate says nothing about what is left."""


@dataclass(frozen=True, slots=True)
class Progress:
    """A moment of a download.

    Attributes:
        model: The model.
        stage: waiting (another process fills the volume), downloading, verifying or ready.
        completed: Bytes on the volume.
        total: Bytes in all, None if unknown.
        rate: Bytes per second, None while unknown.
    """

    model: str
    stage: Stage
    completed: int = 0
    total: int | None = None
    rate: float | None = None

    @property
    def eta(self) -> int | None:
        """Seconds left, None while unknown."""
        if self.total is None or not self.rate:
            return None
        return round((self.total - self.completed) / self.rate)

    def as_json(self) -> dict[str, Any]:
        """Return the members of the JSON document; what is unknown is left out."""
        members = {
            "model": self.model,
            "stage": self.stage,
            "completed_bytes": self.completed,
            "total_bytes": self.total,
            "bytes_per_second": None if self.rate is None else round(self.rate),
            "eta_seconds": self.eta,
        }
        return {name: value for name, value in members.items() if value is not None}

    def words(self) -> str:
        """Return it for people: `downloading small: 34% of 483.5 MB, 12.0 MB/s, 27 s left`."""
        if self.stage == "waiting":
            return f"waiting for another process that fetches {self.model}"
        known = [
            f"{_share(self.completed, self.total)} of {_size(self.total)}" if self.total else _size(self.completed)
        ]
        if self.stage == "downloading" and self.rate is not None:
            known.append(f"{_size(self.rate)}/s")
        if self.stage == "downloading" and self.eta is not None:
            known.append(f"{self.eta} s left")
        return f"{self.stage} {self.model}: {', '.join(known)}"


class Meter:
    """Derives the rate from samples."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque()

    def rate(self, completed: int, now: float) -> float | None:
        """Add a sample; return bytes per second, None while unknown.

        Args:
            completed: Bytes so far.
            now: The time in seconds, of a monotonic clock.
        """
        if self._samples and completed < self._samples[-1][1]:
            self._samples.clear()  # a file was started again
        self._samples.append((now, completed))
        while now - self._samples[0][0] > _WINDOW_S:
            self._samples.popleft()
        first_time, first = self._samples[0]
        if now - first_time < _SETTLED_S:
            return None
        return (completed - first) / (now - first_time)


def _share(completed: int, total: int) -> str:
    return f"{100 * completed // total}%"


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:  # noqa: PLR2004 - units of a thousand
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"
