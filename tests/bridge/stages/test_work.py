"""What counts as Whisper's work: not the waits for a slow sender, nor those for a slow receiver."""

import pytest

from speechbridge.audio.port import AudioBytes
from speechbridge.stages.transcribe import Work

pytestmark = pytest.mark.unit


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Arriving(AudioBytes):
    def __init__(self) -> None:
        super().__init__(b"", "", "")
        self.waits = 7.0

    @property
    def waited(self) -> float:
        return self.waits


def test_work_excludes_the_waits_for_sender_and_receiver() -> None:
    clock, audio = Clock(), Arriving()
    work = Work(clock, audio)

    clock.now += 10
    audio.waits += 4
    with work.paused():
        clock.now += 5

    assert work.seconds() == 6
