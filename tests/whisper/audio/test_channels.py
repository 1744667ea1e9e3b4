"""One channel out of many, in which every voice is heard."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechwhisper.audio.channels import Downmix, Samples, planar

pytestmark = pytest.mark.unit

RATE = 16_000


def tone(amplitude: float = 0.5, frequency: float = 440.0, seconds: float = 0.1) -> Samples:
    times = np.arange(int(seconds * RATE)) / RATE
    return (amplitude * np.sin(2 * np.pi * frequency * times)).astype(np.float32)


def level(samples: Samples) -> float:
    return float(np.sqrt(np.mean(np.square(samples))))


def mix(*channels: Samples, frames: int = 20) -> Samples:
    """The last of so many equal frames."""
    downmix = Downmix(len(channels), RATE)
    return [downmix(np.stack(channels)) for _ in range(frames)][-1]


def test_two_voices_are_averaged() -> None:
    left, right = tone(frequency=440), tone(frequency=660)

    np.testing.assert_allclose(mix(left, right), (left + right) / 2, atol=1e-6)


@pytest.mark.parametrize("right", [-1.0, -0.95, -0.99])
def test_an_inverted_channel_does_not_silence_the_other(right: float) -> None:
    assert level(mix(tone(), right * tone())) > 0.9 * level(tone())


@pytest.mark.parametrize("count", [2, 6, 9, 64])
def test_one_voice_among_silent_channels_keeps_its_level(count: int) -> None:
    channels = [tone() if number == count // 2 else tone(0.001, 50) for number in range(count)]

    np.testing.assert_allclose(mix(*channels), tone(), atol=0.01)


def test_a_pause_of_the_loud_speaker_leaves_the_other_one_heard() -> None:
    downmix = Downmix(2, RATE)
    for _ in range(20):
        downmix(np.stack([tone(0.8), tone(0.01)]))
    answers = [downmix(np.stack([tone(0.0), tone(0.01)])) for _ in range(50)]

    assert level(answers[-1]) > 0.45 * level(tone(0.01))


def test_silence_is_silence() -> None:
    assert not mix(tone(0.0), tone(0.0)).any()
    assert Downmix(2, RATE)(np.zeros((2, 0), dtype=np.float32)).shape == (0,)


@given(st.integers(2, 12), st.integers(0, 2**32 - 1))
def test_a_mix_is_within_the_range_of_its_channels(count: int, seed: int) -> None:
    samples = np.random.default_rng(seed).uniform(-1, 1, (count, 320)).astype(np.float32)

    mixed = Downmix(count, RATE)(samples)

    assert mixed.shape == (320,)
    assert (mixed <= samples.max(axis=0) + 1e-6).all()
    assert (mixed >= samples.min(axis=0) - 1e-6).all()


@pytest.mark.parametrize(
    ("name", "kind", "half"),
    [
        ("u8", np.uint8, 192),
        ("s16", np.int16, 2**14),
        ("s32", np.int32, 2**30),
        ("s64", np.int64, 2**62),
        ("flt", np.float32, 0.5),
        ("dbl", np.float64, 0.5),
    ],
)
def test_samples_of_every_type_planar_and_interleaved(name: str, kind: type[np.generic], half: float) -> None:
    silent = 128 if name == "u8" else 0
    left, right = np.array([half, silent, half], dtype=kind), np.array([silent] * 3, dtype=kind)
    expected = [[0.5, 0.0, 0.5], [0.0, 0.0, 0.0]]

    beyond = np.array([1], dtype=kind)  # PyAV lists more planes than there are channels
    np.testing.assert_allclose(planar([left, right, beyond], name, 2, 3), expected)
    np.testing.assert_allclose(planar([np.stack([left, right], axis=1)], name, 2, 3), expected)


def test_values_that_are_not_finite_are_silent() -> None:
    samples = np.array([[np.nan, np.inf], [-np.inf, 0.5]], dtype=np.float32)

    np.testing.assert_array_equal(planar(list(samples), "flt", 2, 2), [[0, 0], [0, 0.5]])
