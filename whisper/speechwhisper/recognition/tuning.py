"""How the model is used on a device: pure functions of the settings and the device."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from speechwhisper.settings import Search

FULL_WINDOW = 3000
"""Frames of the window that Whisper was trained with: 30 s."""

_MARGIN_FRAMES = 100
"""Left behind the speech in a fitting window: without it, the model may repeat itself."""

_CPU_WINDOWS = (600, 2000)
"""The first, for commands and short sentences, takes an eighth of the time of the full window; what it makes of them is
checked (`judging`). Windows between the two make more errors: of 1255 words in longer pieces of a recording, tiny.en
misses 48 in windows of 15 s, 34 in those of 20 s, 28 in the full one."""
_CPU_BATCH = 8
CPU_LANES = 2
"""Where a later block of a long recording takes a second and more, a short command should not wait for it."""
_CPU_LONGEST_S = 19.0
"""Longest block on a CPU: in a window of 20 s the encoder takes half of the time that it takes in one of 30 s."""

_FULL_LONGEST_S = 28.0
"""Longest block for the full window."""

_FAST_WIDTH = 384
"""Width of tiny models, which gain least from the beam search and the full window. For Whisper base see benchmarks."""

_CUDA_WINDOWS = (2000,)
_CUDA_BATCH = 8
"""If the free memory is unknown."""
_CUDA_MAX_BATCH = 32
_CUDA_USABLE = 0.75
_CUDA_BLOCK_SIZE = 0.12
"""Memory of one beam of a block in a window of 30 s, relative to that of the weights: 1500 keys and values of the
cross-attention per layer, in float16, for tiny; less for larger models (0.08 for large-v3)."""


@dataclass(frozen=True, slots=True)
class Tuning:
    """How the model is used, the same for all requests.

    Attributes:
        batch_size: Largest number of blocks decoded in one batch; 0 until it is known.
        share: Largest number of blocks of one request in a batch while other requests wait.
        share_alone: The same while none does: later requests wait for this batch.
        longest_block: In seconds.
        windows: Lengths of the encoder's window besides the full one, in frames, ascending.
        lanes: Batches that are decoded at the same time: with 2, the first blocks of recordings do not wait for later
            blocks of others.
        skip_silence: Longest pause passed to the model, in seconds; 0 passes everything.
        condition_on_previous_text: Whether each block is given the text before it.
        accurate: Whether blocks are decoded by beam search in the full window at once.
    """

    batch_size: int = 0
    share: int = 1
    share_alone: int = 1
    longest_block: float = _CPU_LONGEST_S
    windows: tuple[int, ...] = _CPU_WINDOWS
    lanes: int = 1
    skip_silence: float = 10.0
    condition_on_previous_text: bool = False
    accurate: bool = False

    def windows_for(self, frames: int) -> tuple[int, ...]:
        """Return the windows that so many frames fit into, ascending; the last one is the full window."""
        fitting = (one for one in self.windows if frames + _MARGIN_FRAMES <= one)
        return (*fitting, FULL_WINDOW)


def is_accurate(search: Search, width: int) -> bool:
    """Return whether blocks are searched accurately at once; `width` is the dimension of the model's states."""
    return search == "accurate" or (search == "auto" and width > _FAST_WIDTH)


def for_cpu(base: Tuning) -> Tuning:
    """Return the tuning for a CPU, where a batch takes longer with every block."""
    size = base.batch_size or _CPU_BATCH
    if base.accurate:
        return replace(base, batch_size=size, lanes=CPU_LANES, windows=(), longest_block=_FULL_LONGEST_S)
    return replace(base, batch_size=size, lanes=CPU_LANES)


def for_cuda(base: Tuning, *, free_bytes: int, weights_bytes: int, beam_size: int = 1) -> Tuning:
    """Return the tuning for a GPU, where a batch takes hardly longer than one block.

    Args:
        base: With a batch size of 0 for as many blocks as fit into most of the free memory.
        free_bytes: Free memory of the device after the model was loaded; 0 if unknown.
        weights_bytes: Memory of the loaded model.
        beam_size: Beams of the accurate search.
    """
    beams = beam_size if base.accurate else 1
    size = base.batch_size or _automatic(free_bytes, weights_bytes * beams)
    return replace(
        base,
        batch_size=size,
        share=max(1, size // 2),
        share_alone=size,
        longest_block=_FULL_LONGEST_S,
        windows=() if base.accurate else _CUDA_WINDOWS,
    )


def _automatic(free_bytes: int, weights_bytes: int) -> int:
    if not free_bytes:
        return _CUDA_BATCH
    per_block = max(1.0, weights_bytes * _CUDA_BLOCK_SIZE)
    return max(1, min(_CUDA_MAX_BATCH, int(free_bytes * _CUDA_USABLE / per_block)))
