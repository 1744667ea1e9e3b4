"""Annotations by which a Prometheus without PodMonitors finds the pods that have metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechoperator.api.names import PORTS

if TYPE_CHECKING:
    from speechoperator.api import SpeechPipeline
    from speechoperator.api.names import Component
    from speechoperator.settings import Settings


def scrape_annotations(pipeline: SpeechPipeline, component: Component, settings: Settings) -> dict[str, str]:
    """Return the annotations of a component's pods, if the settings ask for them and the component has metrics.

    They are a convention of Prometheus' example configuration, which the chart prometheus-community/prometheus follows:
    https://github.com/prometheus/prometheus/blob/main/documentation/examples/prometheus-kubernetes.yml
    """
    if not settings.scrape_annotations or not _has_metrics(pipeline, component):
        return {}
    return {
        "prometheus.io/scrape": "true",
        "prometheus.io/port": f"{PORTS[component]}",
        "prometheus.io/path": "/metrics",
    }


def _has_metrics(pipeline: SpeechPipeline, component: Component) -> bool:
    if component == "whisper":
        return pipeline.spec.whisper.engine != "asr-webservice"
    return component == "bridge"
