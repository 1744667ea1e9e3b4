"""Sends spans by OTLP over HTTP, in a thread of its own. Imported only if requests are traced."""

from __future__ import annotations

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor


def exporting(url: str, service: str) -> TracerProvider:
    """Return a provider of tracers that sends spans to a URL.

    The SDK reads the other standard variables: headers, timeout, sampler, attributes, sizes of batches.

    Args:
        url: Of the receiver, with its path.
        service: The service's name, unless OTEL_SERVICE_NAME or OTEL_RESOURCE_ATTRIBUTES has another.
    """
    resource = Resource.create({SERVICE_NAME: service}).merge(OTELResourceDetector().detect())
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)  # it is shut down with the application
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=url)))
    return provider
