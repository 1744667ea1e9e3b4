"""Counters, gauges and histograms of plain numbers, which are read when they are scraped.

Those of `prometheus_client` take a lock and several calls for each number, and a request changes thirty. The bridge
counts in one thread, that of its event loop, which also answers scrapes. So the text is written here, too: the client
takes some 5 us for each series, 8 with OpenMetrics, of which there are a thousand, and requests wait meanwhile.
https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_left
from itertools import accumulate
from time import time
from typing import TYPE_CHECKING, ClassVar, Generic, NamedTuple, TypeVar

from prometheus_client.utils import floatToGoString

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

T = TypeVar("T")


class Exemplar(NamedTuple):
    """A value that belongs to a trace, and when it was observed, in seconds since the epoch."""

    trace_id: str
    value: float
    at: float


class Number:
    """A number that goes up, and down if it is a gauge's.

    Attributes:
        series: Its name and labels, as they are exposed.
        value: The number.
    """

    __slots__ = ("series", "value")

    def __init__(self, series: str = "") -> None:
        self.series = series
        self.value = 0.0

    def inc(self, amount: float = 1) -> None:
        """Add an amount."""
        self.value += amount


class Distribution:
    """How many values are in each bucket, and their sum.

    Attributes:
        bounds: The upper bounds of the buckets, each inclusive, in ascending order.
        counts: Values by bucket; the last one has no bound.
        exemplars: The last value by bucket that belongs to a trace.
        series: Names and labels of the buckets, the count and the sum, as they are exposed.
        sum: Of all values.
    """

    __slots__ = ("bounds", "counts", "exemplars", "series", "sum")

    def __init__(self, bounds: Sequence[float], series: Sequence[str] = ()) -> None:
        self.bounds = bounds
        self.series = series
        self.counts = [0] * (len(bounds) + 1)
        self.exemplars: dict[int, Exemplar] = {}
        self.sum = 0.0

    def observe(self, value: float, trace_id: str = "") -> None:
        """Add a value, and the trace that it belongs to, if any."""
        bucket = bisect_left(self.bounds, value)
        self.counts[bucket] += 1
        self.sum += value
        if trace_id:
            self.exemplars[bucket] = Exemplar(trace_id, value, time())


class Family(ABC, Generic[T]):
    """A metric: an instrument for each combination of label values; without labels, one.

    Args:
        name: As it is exposed, `_total` of counters included.
        text: The help text, of one line.
        label_names: Names of the labels.
    """

    type: ClassVar[str]

    def __init__(self, name: str, text: str, label_names: Sequence[str] = ()) -> None:
        self.name = name
        self.text = text
        self.label_names = tuple(label_names)
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
            pairs = sorted(zip(self.label_names, values, strict=True))  # as the client does
            instrument = self._instrument([f'{name}="{_escaped(value)}"' for name, value in pairs])
            self._instruments[values] = instrument
        return instrument

    def render(self, *, open_metrics: bool = False) -> str:
        """Return the text of the metric in the format of Prometheus, or in that of OpenMetrics, with exemplars."""
        name = self.name.removesuffix("_total") if open_metrics else self.name
        lines = "".join(self._lines(self._instruments.values(), open_metrics=open_metrics))
        return f"# HELP {name} {self.text}\n# TYPE {name} {self.type}\n{lines}"

    @abstractmethod
    def _instrument(self, labels: list[str]) -> T: ...

    @abstractmethod
    def _lines(self, instruments: Iterable[T], *, open_metrics: bool) -> Iterable[str]: ...


class _Numbers(Family[Number]):
    def _instrument(self, labels: list[str]) -> Number:
        return Number(_series(self.name, labels))

    def _lines(self, instruments: Iterable[Number], *, open_metrics: bool) -> Iterable[str]:  # noqa: ARG002
        return (f"{number.series} {number.value}\n" for number in instruments)


class CounterFamily(_Numbers):
    """A counter."""

    type = "counter"


class GaugeFamily(_Numbers):
    """A gauge."""

    type = "gauge"


class HistogramFamily(Family[Distribution]):
    """A histogram.

    Args:
        name: As it is exposed.
        text: The help text.
        label_names: Names of the labels.
        bounds: The upper bounds of its buckets.
    """

    type = "histogram"

    def __init__(self, name: str, text: str, label_names: Sequence[str] = (), *, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._shown = [floatToGoString(bound) for bound in (*bounds, float("inf"))]  # type: ignore[no-untyped-call]
        super().__init__(name, text, label_names)

    def _instrument(self, labels: list[str]) -> Distribution:
        series = [_series(f"{self.name}_bucket", [*labels, f'le="{bound}"']) for bound in self._shown]
        more = [_series(f"{self.name}_{what}", labels) for what in ("count", "sum")]
        return Distribution(self._bounds, (*series, *more))

    def _lines(self, instruments: Iterable[Distribution], *, open_metrics: bool) -> Iterable[str]:
        for found in instruments:
            counts = list(accumulate(found.counts))
            lines = [
                f"{series} {value}"
                for series, value in zip(found.series, (*counts, counts[-1], found.sum), strict=True)
            ]
            if open_metrics:
                for bucket, one in found.exemplars.items():
                    lines[bucket] += f' # {{trace_id="{one.trace_id}"}} {one.value} {one.at:.3f}'
            yield "\n".join(lines) + "\n"


def _series(name: str, labels: list[str]) -> str:
    return f"{name}{{{','.join(labels)}}}" if labels else name


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
