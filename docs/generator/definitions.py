"""The definitions of all metrics, from the services' code: for the reference, and for what is checked against them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from prometheus_client.metrics import MetricWrapperBase

from speechbridge.telemetry.metrics import Metrics as BridgeMetrics
from speechoperator.report.pipeline_families import FAMILIES
from speechoperator.telemetry.metrics import Metrics as OperatorMetrics
from speechwhisper.admission.load import Load
from speechwhisper.telemetry.metrics import Metrics as WhisperMetrics

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client import CollectorRegistry

_CLIENTS_OWN = ("process_", "python_")


class Definition(NamedTuple):
    """A metric as it is exposed.

    Attributes:
        name: With the `_total` of counters, without the `_bucket`, `_sum` and `_count` of histograms.
        type: Its type.
        labels: The names of its labels, without those that Prometheus adds.
        text: What it is.
    """

    name: str
    type: str
    labels: tuple[str, ...]
    text: str


def of_bridge() -> list[Definition]:
    """Return the metrics of the bridge."""
    metrics = BridgeMetrics()
    own = [Definition(one.name, one.type, one.label_names, one.text) for one in metrics.families]
    return own + _of_registry(metrics.registry, vars(metrics).values())


def of_whisper() -> list[Definition]:
    """Return the metrics of the Whisper server."""
    metrics = WhisperMetrics("tiny", lambda: 1, lambda: Load(0, 0, 0, 1, 0.0, 0.0, 0.0, 0.0))
    return _of_registry(metrics.registry, vars(metrics).values())


def of_operator() -> list[Definition]:
    """Return the metrics of the operator itself."""
    metrics = OperatorMetrics()
    return _of_registry(metrics.registry, vars(metrics).values())


def of_pipelines() -> list[Definition]:
    """Return the operator's metrics about single pipelines."""
    return [Definition(one.name, one.type, ("namespace", "pipeline", *one.labels), one.text) for one in FAMILIES]


def all_metrics() -> list[Definition]:
    """Return the metrics of all services."""
    return [*of_bridge(), *of_whisper(), *of_operator(), *of_pipelines()]


def _of_registry(registry: CollectorRegistry, members: Iterable[object]) -> list[Definition]:
    """Return the metrics of a registry; those with labels must be among the members, unless they have samples."""
    labels = {
        next(iter(one.describe())).name: tuple(one._labelnames)  # noqa: SLF001 - there is no public access
        for one in members
        if isinstance(one, MetricWrapperBase)
    }
    return [
        Definition(
            f"{family.name}{'_total' if family.type == 'counter' else ''}",
            family.type,
            labels.get(family.name) or tuple(family.samples[0].labels if family.type == "gauge" else ()),
            family.documentation,
        )
        for family in registry.collect()
        if not family.name.startswith(_CLIENTS_OWN)
    ]
