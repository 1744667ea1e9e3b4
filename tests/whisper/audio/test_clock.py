"""Decoded audio stays at the times of its container."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechwhisper.audio.clock import Clock, Gap

pytestmark = pytest.mark.unit

FRAME = 0.02


def play(clock: Clock, *timestamps: float | None, damaged: bool = False) -> list[float]:
    """Add frames of 20 ms with these timestamps; return the silence before each."""
    silence = []
    for timestamp in timestamps:
        silence.append(clock.gap_before(timestamp, damaged=damaged))
        clock.advance(FRAME)
    return silence


def test_audio_that_starts_later_than_the_container_is_preceded_by_silence() -> None:
    clock = Clock(origin=1.4, max_gap=100)

    assert play(clock, 6.3, 6.32) == [pytest.approx(4.9), 0.0]
    assert clock.gaps == [Gap(0.0, pytest.approx(4.9))]


def test_without_an_origin_the_first_timestamp_is_the_beginning() -> None:
    assert play(Clock(None, 100), 3600.0, 3600.02) == [0.0, 0.0]


def test_missing_packets_become_silence_and_say_whether_they_were_damaged() -> None:
    clock = Clock(0.0, 100)
    play(clock, 0.0)

    assert play(clock, 4.02, damaged=True) == [pytest.approx(4.0)]
    assert clock.gaps == [Gap(pytest.approx(0.02), pytest.approx(4.02), damaged=True)]


@pytest.mark.parametrize("jitter", [0.02 + 0.09, 0.02 - 0.09])
def test_jitter_is_no_gap(jitter: float) -> None:
    assert play(Clock(0.0, 100), 0.0, jitter) == [0.0, 0.0]


def test_small_gaps_add_up_to_one() -> None:
    silence = play(Clock(0.0, 100), *(number * (FRAME + 0.01) for number in range(100)))

    assert sum(silence) == pytest.approx(1.0, abs=0.11)


@pytest.mark.parametrize("jump", [0.0, 102.0])
def test_timestamps_that_start_over_go_on_from_there(jump: float) -> None:
    clock = Clock(0.0, max_gap=100)
    play(clock, *(number * FRAME for number in range(50)))

    assert play(clock, jump, jump + FRAME, jump + FRAME * 2 + 5.0) == [0.0, 0.0, pytest.approx(5.0)]


def test_a_frame_without_a_timestamp_follows_the_one_before() -> None:
    assert play(Clock(0.0, 100), 0.0, None, None) == [0.0, 0.0, 0.0]


@given(st.floats(-1e6, 1e6), st.lists(st.floats(0, 50), min_size=1, max_size=40))
def test_every_frame_is_at_its_timestamp(origin: float, pauses: list[float]) -> None:
    clock = Clock(origin, max_gap=60)
    timestamp = origin

    for pause in pauses:
        timestamp += pause
        clock.gap_before(timestamp)
        assert clock.position == pytest.approx(timestamp - origin, abs=0.1 + 1e-6)
        clock.advance(FRAME)
        timestamp += FRAME

    assert all(gap.end > gap.start for gap in clock.gaps)
    assert all(one.end <= other.start for one, other in zip(clock.gaps, clock.gaps[1:], strict=False))
