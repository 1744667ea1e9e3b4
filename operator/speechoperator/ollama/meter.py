"""The progress of a pull: its bytes over all layers, its rate, and when it is worth a report."""

from __future__ import annotations

import math
from dataclasses import replace
from time import monotonic
from typing import TYPE_CHECKING

from speechoperator.ollama.messages import VERIFYING
from speechoperator.plan.models.pull_errors import overcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from speechoperator.ollama.messages import Progress
    from speechoperator.plan.snapshot import Pull

MIN_REPORT_INTERVAL_S, MAX_REPORT_INTERVAL_S, REPORT_SHARE = 5.0, 30.0, 0.02
"""Progress is reported after 5 s if 2 % have been pulled since the last report, else after 30 s: every report is a
write, which wakes whoever watches the pipeline."""
SETTLED_AFTER_S = 10.0
"""Seconds of measuring before a rate is reported: connections start slowly, and blobs come in parallel parts."""
_MIN_SAMPLE_S = 1.0
_TIME_CONSTANT_S = 15.0
"""Of the exponential smoothing: so long ago, a sample weighs 1/e of the latest."""


class Meter:
    """Sums up the layers of a pull, and measures its rate. Bytes from an earlier attempt do not count as pulled.

    Args:
        clock: Returns a monotonic time in seconds.

    Attributes:
        pulled: Bytes received since the pull started.
        verifying: Whether all bytes are there, and Ollama computes their checksums.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self.pulled = 0
        self.verifying = False
        self._clock = clock
        self._layers: dict[str, tuple[int, int]] = {}
        self._found: set[str] = set()
        self._rate = 0.0
        self._began: float | None = None
        self._sampled_at = 0.0
        self._sampled = 0
        self._reported_at: float | None = None
        self._reported = 0
        self._reported_settled = self._reported_verifying = False

    @property
    def completed(self) -> int:
        """Bytes that are there, over all layers."""
        return sum(completed for completed, _ in self._layers.values())

    @property
    def total(self) -> int:
        """Bytes of all layers that Ollama has mentioned; the largest comes first."""
        return sum(total for _, total in self._layers.values())

    @property
    def added(self) -> int:
        """Bytes of the layers that the pull adds to the volume: without those found there, of any other model."""
        return sum(total for digest, (_, total) in self._layers.items() if digest not in self._found)

    @property
    def settled(self) -> bool:
        """Whether the rate has been measured for long enough to be reported."""
        return self._began is not None and self._clock() - self._began >= SETTLED_AFTER_S and self.pulled > 0

    def add(self, progress: Progress) -> int:
        """Take in a line; return the bytes pulled since the last line about the same layer."""
        if not progress.digest:
            self.verifying = progress.status.startswith(VERIFYING)
            return 0
        if progress.digest not in self._layers and 0 < progress.total <= progress.completed:
            self._found.add(progress.digest)
        before, _ = self._layers.get(progress.digest, (progress.completed, 0))
        self._layers[progress.digest] = (max(before, progress.completed), progress.total)
        received = max(0, progress.completed - before)
        self.pulled += received
        self._sample()
        return received

    def due(self) -> float:
        """Return the seconds until the next report: 0 or less for now. The first one waits for the size."""
        if self._reported_at is None:
            return 0.0 if self.total else MAX_REPORT_INTERVAL_S
        progressed = self.pulled - self._reported >= REPORT_SHARE * self.total > 0
        news = self.settled != self._reported_settled or self.verifying != self._reported_verifying
        interval = MIN_REPORT_INTERVAL_S if progressed or news else MAX_REPORT_INTERVAL_S
        return self._reported_at + interval - self._clock()

    def report(self, pull: Pull) -> Pull:
        """Return the record with the progress to be reported."""
        self._sample()  # without lines for long, the rate falls
        self._reported_at, self._reported = self._clock(), self.pulled
        self._reported_settled, self._reported_verifying = self.settled, self.verifying
        return self.update(pull)

    def update(self, pull: Pull) -> Pull:
        """Return the record with the progress; once bytes have been received, lost connections are forgotten."""
        rate = self._rate if self.settled else 0.0
        pull = replace(pull, completed=self.completed, total=self.total, rate=rate, verifying=self.verifying)
        return replace(pull, attempts=0, error="") if self.pulled and overcome(pull.error) else pull

    def _sample(self) -> None:
        now = self._clock()
        if self._began is None:
            self._began = self._sampled_at = now
            return
        passed = now - self._sampled_at
        if passed < _MIN_SAMPLE_S:
            return
        latest = (self.pulled - self._sampled) / passed
        weight = 1.0 if not self._rate else 1 - math.exp(-passed / _TIME_CONSTANT_S)
        self._rate += weight * (latest - self._rate)
        self._sampled_at, self._sampled = now, self.pulled
