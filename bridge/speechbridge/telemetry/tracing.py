"""Whether requests are traced. OpenTelemetry is an extra, and imported only if they are: it costs time and memory."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from speechbridge.telemetry import logs

if TYPE_CHECKING:
    from speechbridge.settings import Settings
    from speechbridge.telemetry.spans import Tracing

_MISSING = "traces are not sent: OpenTelemetry is not installed; install speechpipeline[tracing]"
_REJECTED = "traces are not sent: OpenTelemetry rejects a variable that begins with OTEL_"


def receiver(settings: Settings) -> str:
    """Return the URL to which traces are sent by OTLP over HTTP; empty if requests are not traced.

    Source: https://opentelemetry.io/docs/specs/otel/protocol/exporter/#endpoint-urls-for-otlphttp
    """
    if settings.otel_sdk_disabled or settings.otel_traces_exporter == "none":
        return ""
    if settings.otel_exporter_otlp_traces_endpoint:
        return settings.otel_exporter_otlp_traces_endpoint
    base = settings.otel_exporter_otlp_endpoint
    return f"{base}/v1/traces" if base else ""


def start(settings: Settings) -> Tracing | None:
    """Return what traces requests; None if they are not traced.

    Without OpenTelemetry, or if that rejects one of the variables that it reads itself, it says so and traces nothing:
    the service matters more than its traces.
    """
    url = receiver(settings)
    if not url:
        return None
    try:
        from speechbridge.telemetry import exporting, spans  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        logs.warning(_MISSING, missing=error.name)
        return None
    try:
        tracing = spans.Tracing(exporting.exporting(url, spans.SERVICE), spans.Names.of(settings))
    except ValueError as error:
        logs.warning(_REJECTED, reason=str(error))
        return None
    parts = urlsplit(url)
    logs.info("traces are sent", to=f"{parts.scheme}://{parts.netloc}")  # path and query may have a token
    return tracing
