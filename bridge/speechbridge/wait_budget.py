"""How long a request may wait in all; one budget travels with it from the queue to the last retry."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class WaitBudget:
    """Seconds that a request may still wait. Work is free: only time without progress is spent.

    Attributes:
        queue: Left of QUEUE_TIMEOUT, for its turn and for busy pods.
        hold: Left of HOLD_TIMEOUT, while no pod can be reached, or in favour of a pod that has not failed it.
    """

    queue: float
    hold: float

    def spend(self, seconds: float, *, held: bool = False) -> None:
        """Deduct a wait, or an attempt in vain.

        Args:
            seconds: Its duration.
            held: Whether HOLD_TIMEOUT limits it too.
        """
        self.queue -= seconds
        if held:
            self.hold -= seconds
