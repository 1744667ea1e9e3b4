"""Sends spans by OTLP over HTTP, in a thread of its own. Imported only if requests are traced."""

from __future__ import annotations

import logging
from urllib.parse import urlsplit

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

_LOGGERS = ("opentelemetry.exporter.otlp.proto.http.trace_exporter", "urllib3.connectionpool")
"""Those whose messages have the URL."""
_HEADERS_LOGGER = "opentelemetry.util.re"
"""The one whose messages quote OTEL_EXPORTER_OTLP_HEADERS if it is malformed."""


def _without_values(record: logging.LogRecord) -> bool:
    """Remove what a message quotes: headers may have keys."""
    if record.args:
        record.msg, record.args = "Header format invalid: check OTEL_EXPORTER_OTLP_HEADERS and its variants", ()
    return True


class _WithoutPath(logging.Filter):
    """Removes the path and the query of a URL from messages: they may have a token."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._path = urlsplit(url)._replace(scheme="", netloc="").geturl()

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        if len(self._path) > 1 and self._path in message:
            record.msg, record.args = message.replace(self._path, "/..."), ()
        return True


def exporting(url: str, service: str) -> TracerProvider:
    """Return a provider of tracers that sends spans to a URL.

    The SDK reads the other standard variables: headers, timeout, sampler, attributes, sizes of batches.

    Args:
        url: Of the receiver, with its path.
        service: The service's name, unless OTEL_SERVICE_NAME or OTEL_RESOURCE_ATTRIBUTES has another.

    Raises:
        ValueError: The SDK rejects one of its variables.
    """
    logging.getLogger(_HEADERS_LOGGER).addFilter(_without_values)  # a second time it is not added
    resource = Resource.create({SERVICE_NAME: service}).merge(OTELResourceDetector().detect())
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)  # it is shut down with the application
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=url)))
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_WithoutPath(url))
    return provider
