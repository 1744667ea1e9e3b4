from __future__ import annotations

import pytest

from speechwhisper.recognition.speed import Speed

pytestmark = pytest.mark.unit


class Measured(Speed):
    """A speed of batches one after the other."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0

    def decoded(self, audio_seconds: float, seconds: float) -> None:
        """Decode a batch for so many seconds."""
        self.begin(self._now)
        self._now += seconds
        self.end(audio_seconds, self._now)


def test_it_is_zero_before_the_first_measurement() -> None:
    speed = Speed()
    speed.begin(10.0)

    assert speed.audio_seconds_per_second == 0.0


def test_batches_add_up() -> None:
    speed = Measured()
    speed.decoded(50.0, 5.0)
    speed.decoded(50.0, 5.0)

    assert speed.audio_seconds_per_second == pytest.approx(10.0)


def test_batches_at_the_same_time_add_up_too() -> None:
    speed = Speed()
    speed.begin(100.0)
    speed.begin(100.0)
    speed.end(50.0, 105.0)
    speed.end(50.0, 105.0)

    assert speed.audio_seconds_per_second == pytest.approx(20.0)


def test_time_in_which_batches_overlap_counts_once() -> None:
    speed = Speed()
    speed.begin(100.0)
    speed.begin(104.0)
    speed.end(60.0, 106.0)
    speed.end(60.0, 110.0)

    assert speed.audio_seconds_per_second == pytest.approx(12.0, rel=0.02)


def test_idle_time_changes_nothing() -> None:
    speed = Speed()
    speed.begin(0.0)
    speed.end(50.0, 5.0)
    speed.begin(1000.0)
    speed.end(50.0, 1005.0)

    assert speed.audio_seconds_per_second == pytest.approx(10.0)


def test_a_clip_weighs_less_than_an_hour() -> None:
    speed = Measured()
    speed.decoded(3600.0, 360.0)
    speed.decoded(1.0, 1.0)

    assert speed.audio_seconds_per_second == pytest.approx(10.0, rel=0.02)


def test_it_follows_a_lasting_change() -> None:
    speed = Measured()
    speed.decoded(6000.0, 600.0)
    for _ in range(100):
        speed.decoded(20.0, 10.0)

    assert speed.audio_seconds_per_second == pytest.approx(2.0, rel=0.05)


def test_what_is_decoded_again_takes_time_and_adds_no_audio() -> None:
    speed = Measured()
    speed.decoded(10.0, 1.0)
    speed.decoded(0.0, 1.0)

    assert speed.audio_seconds_per_second == pytest.approx(5.0, rel=0.01)
