"""The numbers in `Retry-After`: pure functions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from speechwhisper.admission.load import Load

STOPPING_S = 1
"""During shutdown: another server may be free already."""

LONGEST_S = 600

_ASSUMED_SPEED = 4.0
"""Audio seconds per second before the first measurement: a small model on a few CPU cores."""


def retry_after(load: Load) -> int:
    """Return the estimated whole seconds until the present backlog is decoded, from 1 to 600."""
    backlog = load.audio_seconds_waiting + load.audio_seconds_working
    seconds = backlog / (load.audio_seconds_per_second or _ASSUMED_SPEED)
    return max(1, math.ceil(min(seconds, LONGEST_S)))
