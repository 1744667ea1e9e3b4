from __future__ import annotations

import pytest

from speechwhisper.recognition.speed import Speed

pytestmark = pytest.mark.unit


def test_it_is_zero_before_the_first_measurement() -> None:
    assert Speed().audio_seconds_per_second == 0.0


def test_batches_add_up() -> None:
    speed = Speed()
    speed.decoded(50.0, 5.0)
    speed.decoded(50.0, 5.0)

    assert speed.audio_seconds_per_second == pytest.approx(10.0)


def test_a_clip_weighs_less_than_an_hour() -> None:
    speed = Speed()
    speed.decoded(3600.0, 360.0)
    speed.decoded(1.0, 1.0)

    assert speed.audio_seconds_per_second == pytest.approx(10.0, rel=0.02)


def test_it_follows_a_lasting_change() -> None:
    speed = Speed()
    speed.decoded(6000.0, 600.0)
    for _ in range(100):
        speed.decoded(20.0, 10.0)

    assert speed.audio_seconds_per_second == pytest.approx(2.0, rel=0.05)


def test_what_is_decoded_again_takes_time_and_adds_no_audio() -> None:
    speed = Speed()
    speed.decoded(10.0, 1.0)
    speed.decoded(0.0, 1.0)

    assert speed.audio_seconds_per_second == pytest.approx(5.0, rel=0.01)
