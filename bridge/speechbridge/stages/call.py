"""What the stages need to know about a request."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from speechbridge.admission.queue import Slot
    from speechbridge.deadline import Deadline
    from speechbridge.errors import Loading
    from speechbridge.telemetry.spans import RequestTrace
    from speechbridge.telemetry.timeline import Timeline
    from speechbridge.transcribers.transcript import Segment
    from speechbridge.wait_budget import WaitBudget


async def _tell_nobody(_loading: Loading | None) -> None:
    """Most clients get one response, at the end."""


@dataclass
class Call:
    """One request, as the stages see it.

    Attributes:
        timeline: When its stages began and ended.
        budget: How long it may still wait.
        deadline: How long it may take.
        headers: Header lines for the upstreams, each terminated by CRLF.
        trace: Its spans; None if it is not traced.
        streams: Whether the client receives each item at once; after the first one nothing is retried. May be set
            until the form is read: before that nothing has been sent.
        caller: Whose request it is; empty if no API keys are required.
        expected_size: Size of the audio in bytes, as far as the headers of the request reveal it.
        transcribes: Whether it begins with a transcription; chats may have no recording.
        slot: Its slot for work, once it has one.
        segments: What Whisper has transcribed of the recording in progress.
        on_accepted: Is called when a pod has accepted the recording.
        on_transcribed: Is called when nothing more is to be transcribed, right before the language model is asked.
        on_starting: Tells the client of a stream that no pod can be reached yet, and how far the start is.
    """

    timeline: Timeline
    budget: WaitBudget
    deadline: Deadline
    headers: str
    streams: bool
    trace: RequestTrace | None = None
    caller: str = ""
    expected_size: int | None = None
    transcribes: bool = True
    slot: Slot | None = None
    segments: list[Segment] = field(default_factory=list)
    on_accepted: Callable[[], object] = object
    on_transcribed: Callable[[], object] = object
    on_starting: Callable[[Loading | None], Awaitable[None]] = field(default=_tell_nobody)

    async def buffer_again(self, buffer: Callable[[], Awaitable[None]]) -> None:
        """Wait until the rest of a recording that slowed down is ready, without a slot for work.

        Args:
            buffer: Waits for it.
        """
        if self.slot is None:
            await buffer()
            return
        self.deadline.suspend()
        async with self.slot.released():
            await buffer()
        self.deadline.begin()
