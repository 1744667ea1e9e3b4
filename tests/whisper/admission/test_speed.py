from __future__ import annotations

import pytest

from speechwhisper.admission.speed import Speed

pytestmark = pytest.mark.unit


def job(speed: Speed, start: float, seconds: float, audio: float) -> None:
    speed.begin(start)
    speed.decoded(start + seconds, audio)
    speed.end(start + seconds)


def test_it_is_zero_before_the_first_measurement() -> None:
    assert Speed().audio_seconds_per_second == 0.0


def test_jobs_at_the_same_time_add_up() -> None:
    speed = Speed()
    speed.begin(100.0)
    speed.begin(100.0)
    speed.decoded(110.0, 50.0)
    speed.decoded(110.0, 50.0)

    assert speed.audio_seconds_per_second == pytest.approx(10.0)


def test_idle_time_changes_nothing() -> None:
    speed = Speed()
    job(speed, 100.0, 10.0, 100.0)
    job(speed, 9000.0, 10.0, 100.0)

    assert speed.audio_seconds_per_second == pytest.approx(10.0, rel=0.05)


def test_a_clip_weighs_less_than_an_hour() -> None:
    speed = Speed()
    job(speed, 0.0, 360.0, 3600.0)
    job(speed, 400.0, 1.0, 1.0)

    assert speed.audio_seconds_per_second == pytest.approx(10.0, rel=0.02)


def test_it_follows_a_lasting_change() -> None:
    speed = Speed()
    job(speed, 0.0, 600.0, 6000.0)
    for start in range(1000, 2000, 10):
        job(speed, start, 10.0, 20.0)

    assert speed.audio_seconds_per_second == pytest.approx(2.0, rel=0.05)


def test_decoding_in_no_time_measures_nothing() -> None:
    speed = Speed()
    job(speed, 100.0, 0.0, 10.0)

    assert speed.audio_seconds_per_second == 0.0
