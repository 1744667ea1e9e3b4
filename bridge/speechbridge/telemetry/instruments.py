"""Counters, gauges and histograms of plain numbers, which are read when they are scraped.

Those of `prometheus_client` take a lock and several calls for each number, and a request changes thirty. The bridge
counts in one thread, that of its event loop, which also answers scrapes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_left
from itertools import accumulate
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from prometheus_client.core import Metric

T = TypeVar("T")


class Number:
    """A number that goes up, and down if it is a gauge's.

    Attributes:
        value: The number.
    """

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0.0

    def inc(self, amount: float = 1) -> None:
        """Add an amount."""
        self.value += amount


class Distribution:
    """How many values are in each bucket, and their sum.

    Attributes:
        bounds: The upper bounds of the buckets, each inclusive, in ascending order.
        counts: Values by bucket; the last one has no bound.
        sum: Of all values.
    """

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        """Add a value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value


class Family(Collector, ABC, Generic[T]):
    """A metric: an instrument for each combination of label values; without labels, one.

    Args:
        name: As it is exposed, `_total` of counters included.
        text: The help text.
        label_names: Names of the labels.
    """

    def __init__(self, name: str, text: str, label_names: Sequence[str] = ()) -> None:
        self.name = name
        self.text = text
        self.label_names = label_names
        self._instruments: dict[tuple[str, ...], T] = {}
        if not label_names:
            self.labels()

    def labels(self, *values: str) -> T:
        """Return the instrument with these label values.

        Raises:
            ValueError: there are more or fewer of them than label names.
        """
        instrument = self._instruments.get(values)
        if instrument is None:
            if len(values) != len(self.label_names):
                raise ValueError(f"{self.name} has the labels {self.label_names}, not {values}")
            instrument = self._instruments[values] = self._instrument()
        return instrument

    def describe(self) -> Iterable[Metric]:
        """Return the metric without samples."""
        return [self._exposed({})]

    def collect(self) -> Iterable[Metric]:
        """Return the metric with its samples."""
        return [self._exposed(self._instruments)]

    @abstractmethod
    def _instrument(self) -> T: ...

    @abstractmethod
    def _exposed(self, instruments: dict[tuple[str, ...], T]) -> Metric: ...


class _Numbers(Family[Number]):
    _exposed_as: ClassVar[type[CounterMetricFamily | GaugeMetricFamily]]

    def _instrument(self) -> Number:
        return Number()

    def _exposed(self, instruments: dict[tuple[str, ...], Number]) -> Metric:
        metric = self._exposed_as(self.name, self.text, labels=self.label_names)
        for values, number in instruments.items():
            metric.add_metric(values, number.value)
        return metric


class CounterFamily(_Numbers):
    """A counter."""

    _exposed_as = CounterMetricFamily


class GaugeFamily(_Numbers):
    """A gauge."""

    _exposed_as = GaugeMetricFamily


class HistogramFamily(Family[Distribution]):
    """A histogram.

    Args:
        name: As it is exposed.
        text: The help text.
        label_names: Names of the labels.
        bounds: The upper bounds of its buckets.
    """

    def __init__(self, name: str, text: str, label_names: Sequence[str] = (), *, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        super().__init__(name, text, label_names)

    def _instrument(self) -> Distribution:
        return Distribution(self._bounds)

    def _exposed(self, instruments: dict[tuple[str, ...], Distribution]) -> Metric:
        metric = HistogramMetricFamily(self.name, self.text, labels=self.label_names)
        bounds = [floatToGoString(bound) for bound in (*self._bounds, float("inf"))]  # type: ignore[no-untyped-call]
        for values, found in instruments.items():
            metric.add_metric(values, list(zip(bounds, accumulate(found.counts), strict=True)), found.sum)
        return metric
