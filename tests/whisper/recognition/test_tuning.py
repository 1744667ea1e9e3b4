"""How the model is used on a CPU and on a GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechwhisper.recognition.tuning import FULL_WINDOW, Tuning, for_cpu, for_cuda, is_accurate

if TYPE_CHECKING:
    from collections.abc import Callable

    from speechwhisper.settings import Search

pytestmark = pytest.mark.unit

GIB = 1024**3
CUDA_MEMORY = {"free_bytes": 20 * GIB, "weights_bytes": 3 * GIB}
DEVICES = {"cpu": for_cpu(Tuning()), "cuda": for_cuda(Tuning(), **CUDA_MEMORY)}
ACCURATE = Tuning(accurate=True)
ACCURATE_DEVICES = {"cpu": for_cpu(ACCURATE), "cuda": for_cuda(ACCURATE, **CUDA_MEMORY, beam_size=5)}


@pytest.mark.parametrize("device", DEVICES)
@given(frames=st.integers(0, FULL_WINDOW))
def test_a_window_holds_its_block_and_a_margin(device: str, frames: int) -> None:
    tuning = DEVICES[device]

    windows = tuning.windows_for(frames)

    assert windows[-1] == FULL_WINDOW
    assert windows[:-1] == tuple(one for one in sorted(tuning.windows) if one >= frames + 100)


@pytest.mark.parametrize(("device", "window"), [("cpu", 2000), ("cuda", FULL_WINDOW)])
def test_the_longest_block_has_a_margin_in_its_window(device: str, window: int) -> None:
    frames = round(DEVICES[device].longest_block * 100)

    assert DEVICES[device].windows_for(frames)[0] == window >= frames + 100


@pytest.mark.parametrize(
    ("search", "width", "accurate"),
    [
        ("auto", 384, False),  # tiny
        ("auto", 512, True),  # base
        ("auto", 1280, True),  # large-v3
        ("fast", 1280, False),
        ("accurate", 384, True),
    ],
)
def test_only_tiny_models_search_fast_by_default(search: Search, width: int, *, accurate: bool) -> None:
    assert is_accurate(search, width) is accurate


@pytest.mark.parametrize("device", ACCURATE_DEVICES)
def test_the_accurate_search_has_no_window_but_the_full_one_and_blocks_that_fill_it(device: str) -> None:
    tuning = ACCURATE_DEVICES[device]

    assert tuning.accurate
    assert tuning.windows_for(100) == (FULL_WINDOW,)
    assert tuning.longest_block == 28.0


def test_on_a_gpu_every_beam_takes_memory() -> None:
    assert ACCURATE_DEVICES["cuda"].batch_size == 8
    assert DEVICES["cuda"].batch_size == 32


def test_on_a_cpu_a_request_has_one_block_per_batch() -> None:
    assert (DEVICES["cpu"].batch_size, DEVICES["cpu"].share, DEVICES["cpu"].share_alone) == (8, 1, 1)


def test_on_a_gpu_a_request_has_half_a_batch_while_others_wait() -> None:
    tuning = for_cuda(Tuning(batch_size=12), free_bytes=0, weights_bytes=0)

    assert (tuning.batch_size, tuning.share, tuning.share_alone) == (12, 6, 12)


def test_a_batch_of_one_has_a_share() -> None:
    tuning = for_cuda(Tuning(batch_size=1), free_bytes=0, weights_bytes=0)

    assert (tuning.share, tuning.share_alone) == (1, 1)


@pytest.mark.parametrize("tuned", [for_cpu, lambda base: for_cuda(base, free_bytes=80 * GIB, weights_bytes=GIB)])
def test_the_settings_are_kept(tuned: Callable[[Tuning], Tuning]) -> None:
    base = Tuning(batch_size=3, skip_silence=1.5, condition_on_previous_text=True)

    tuning = tuned(base)

    assert tuning.batch_size == 3
    assert (tuning.skip_silence, tuning.condition_on_previous_text) == (1.5, True)


@given(st.integers(1, 80 * GIB), st.integers(1, 4 * GIB))
def test_the_batch_fits_into_the_free_memory(free: int, weights: int) -> None:
    size = for_cuda(Tuning(), free_bytes=free, weights_bytes=weights).batch_size

    assert 1 <= size <= 32
    assert size == 1 or size * weights * 0.12 <= 0.75 * free


def test_more_memory_never_makes_a_smaller_batch() -> None:
    sizes = [
        for_cuda(Tuning(), free_bytes=gib * GIB, weights_bytes=3 * GIB).batch_size for gib in (1, 2, 6, 12, 24, 80)
    ]

    assert sizes == sorted(sizes)
    assert (sizes[0], sizes[-1]) == (2, 32)


def test_without_a_known_free_memory_the_batch_is_moderate() -> None:
    assert for_cuda(Tuning(), free_bytes=0, weights_bytes=0).batch_size == 8
