"""What the stages need to know about a request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from speechbridge.telemetry.timeline import Timeline
    from speechbridge.wait_budget import WaitBudget


@dataclass
class Call:
    """One request, as the stages see it.

    Attributes:
        timeline: When its stages began and ended.
        budget: How long it may still wait.
        headers: Header lines for the upstreams, each terminated by CRLF.
        streams: Whether the client receives each item at once; after the first one nothing is retried. May be set
            until the form is read: before that nothing has been sent.
        expected_size: Size of the audio in bytes, as far as the headers of the request reveal it.
    """

    timeline: Timeline
    budget: WaitBudget
    headers: str
    streams: bool
    expected_size: int | None = None
