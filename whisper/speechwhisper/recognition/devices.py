"""What is known of the devices: whether they work, and how many blocks fit into their memory."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from speechwhisper.recognition.cuda_errors import context_lost, out_of_memory
from speechwhisper.recognition.port import BrokenError
from speechwhisper.telemetry import logs

if TYPE_CHECKING:
    from collections.abc import Callable

_MAX_FAILURES = 3
"""Failures of a device in a row after which it is considered broken."""


class Devices:
    """The state of each device.

    Args:
        count: Number of devices.
        batch_size: Largest number of blocks in a batch, until a device turns out to have no memory for so many.

    Attributes:
        broken: Why only a restart helps; None while all devices work.
    """

    def __init__(self, count: int, batch_size: int) -> None:
        self.broken: BrokenError | None = None
        self._batch_sizes = [batch_size] * count
        self._failures = [0] * count
        """Of each device, in a row: one of several may fail while the others work."""
        self._lock = threading.Lock()
        self._on_broken: list[Callable[[], None]] = []

    def __len__(self) -> int:
        return len(self._failures)

    def batch_size(self, device: int) -> int:
        """Return the largest number of blocks in a batch."""
        return self._batch_sizes[device]

    @property
    def largest_batch(self) -> int:
        """The largest number of blocks in a batch of any device."""
        return max(self._batch_sizes)

    def check(self) -> None:
        """Raise `BrokenError` if a device is broken."""
        if self.broken is not None:
            raise BrokenError(*self.broken.args)

    def on_broken(self, call: Callable[[], None]) -> None:
        """Call a function once a device is broken, in the thread that notices it; at once if one is broken already."""
        with self._lock:
            if self.broken is None:
                self._on_broken.append(call)
                return
        call()

    def worked(self, device: int) -> None:
        """Count a success."""
        self._failures[device] = 0

    def failed(self, device: int, error: Exception) -> Exception:
        """Log and count a failure; return what the request fails with: if the device is broken now, that."""
        self._failures[device] += 1
        logs.exception("decoding failed", device=device, failures=self._failures[device])
        lost = context_lost(error)
        if not lost and self._failures[device] < _MAX_FAILURES:
            return error
        reason = "lost its CUDA context" if lost else f"failed {_MAX_FAILURES} times in a row"
        broken = BrokenError(f"device {device} {reason}")
        broken.__cause__ = error
        with self._lock:
            first = self.broken is None
            self.broken = self.broken or broken
            calls, self._on_broken = self._on_broken, []
        if first:
            logs.error("the device is broken", device=device, reason=reason)
        for call in calls:
            call()
        return broken

    def batch_failed(self, device: int, blocks: int, error: Exception) -> int:
        """Log that a batch of several blocks failed; return the size of the batches in which to try them again.

        If the memory did not suffice, no later batch is larger than half of this one. Otherwise one of the blocks may
        be the cause.
        """
        logs.warning("a batch failed", device=device, blocks=blocks, reason=str(error) or type(error).__name__)
        if not out_of_memory(error):
            return 1
        size = blocks // 2
        with self._lock:
            smaller = size < self._batch_sizes[device]
            self._batch_sizes[device] = min(size, self._batch_sizes[device])
        if smaller:
            logs.warning("batches are smaller from now on: the device is out of memory", device=device, batch_size=size)
        return size
