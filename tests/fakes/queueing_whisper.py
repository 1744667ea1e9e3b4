"""A Whisper pod with a queue of its own, which reports its load, as a test asks about it."""

from typing import Any

from fakes.received import Received
from fakes.speech_whisper import FakeSpeechWhisper


class FakeQueueingWhisper(FakeSpeechWhisper):
    """At most `max_waiting` requests wait; `audio_seconds_per_second` is what it tells as its speed."""

    def __init__(
        self, *args: Any, max_waiting: int = 64, audio_seconds_per_second: float = 10.0, **options: Any
    ) -> None:
        super().__init__(*args, room=max_waiting, **options)
        self.queue.speed = audio_seconds_per_second

    @property
    def waiting(self) -> list[Received]:
        """The requests in line, the first one first."""
        return self.queue.waiting

    @property
    def working(self) -> list[Received]:
        return self.queue.working
