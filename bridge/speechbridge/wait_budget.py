"""How long a request may wait in all; one budget travels with it from the queue to the last retry."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class WaitBudget:
    """Seconds that a request may still wait. Work is free: only time without progress is spent.

    Attributes:
        queue: What is left of QUEUE_TIMEOUT, for waiting in the queue and for busy pods.
        hold: What is left of HOLD_TIMEOUT, for waiting until a pod is reachable, or for one that has not failed it.
    """

    queue: float
    hold: float

    def spend(self, seconds: float, *, held: bool = False) -> None:
        """Deduct a wait, or a failed attempt.

        Args:
            seconds: Its duration.
            held: Whether HOLD_TIMEOUT limits it too.
        """
        self.queue -= seconds
        if held:
            self.hold -= seconds
