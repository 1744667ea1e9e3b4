"""How long pods take to start once a request waits for one: from zero, an outage says nothing about that."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Starts:
    """The present start, if a request waits for one, and the duration of the last; times are the loop's, in seconds.

    Attributes:
        began: When the first request began to wait, None if none has since a pod could be reached.
        last_s: How long the last start took, from then until a pod could be reached.
    """

    began: float | None = None
    last_s: float | None = None

    def wanted(self, now: float) -> Starts:
        """Return what is known after a request has found no pod."""
        return self if self.began is not None else Starts(now, self.last_s)

    def reached(self, now: float) -> Starts:
        """Return what is known after a pod could be reached."""
        return self if self.began is None else Starts(None, now - self.began)

    def remaining(self, now: float) -> float | None:
        """Return how long the start will still take if it takes as long as the last one, None if that is unknown."""
        if self.began is None or self.last_s is None:
            return None
        left = self.last_s - (now - self.began)
        return left if left > 0 else None
