"""The spans of requests: what OpenTelemetry sends to a receiver. Imported only if requests are traced.

Names and attributes of requests are those of OpenTelemetry's conventions for HTTP; what those have no name for begins
with `speech.`. Recordings, transcripts and prompts are never part of a span.

Source: https://opentelemetry.io/docs/specs/semconv/http/http-spans/
"""

from __future__ import annotations

from importlib import metadata
from threading import Thread
from time import monotonic, time_ns
from typing import TYPE_CHECKING

from opentelemetry.trace import Link, SpanKind, StatusCode, format_trace_id, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span, Tracer
    from opentelemetry.util.types import AttributeValue

SERVICE = "speechwhisper"
_PROPAGATOR = TraceContextTextMapPropagator()
_CLOSE_WITHIN_S = 5.0
_CLIENT_ERROR, _SERVER_ERROR = 400, 500


class Tracing:
    """Starts the traces of requests.

    Args:
        provider: Where spans go.
        model: Name of the model.
    """

    def __init__(self, provider: TracerProvider, model: str) -> None:
        self.tracer = provider.get_tracer(SERVICE, metadata.version("speechpipeline"))
        self.model = model
        self._provider = provider

    def request(self, method: str, route: str, path: str, headers: Mapping[str, str]) -> RequestTrace:
        """Start the span of a request, in the trace of the caller if its headers name one; the caller samples."""
        attributes = {"http.request.method": method, "http.route": route, "url.path": path, "url.scheme": "http"}
        context = _PROPAGATOR.extract(headers)
        return RequestTrace(self, self.tracer.start_span(f"{method} {route}", context, SpanKind.SERVER, attributes))

    def close(self) -> None:
        """Send what has not been sent, and stop; blocks for at most 5 s if the receiver does not answer."""
        sending = Thread(target=self._provider.shutdown, daemon=True)  # it has no timeout of its own
        sending.start()
        sending.join(_CLOSE_WITHIN_S)


class RequestTrace:
    """The spans of one request.

    Args:
        tracing: Starts spans.
        span: Of the request.

    Attributes:
        trace_id: The id of the trace, 32 hexadecimal digits.
        sampled_id: The same if the trace is sampled, else empty.
    """

    def __init__(self, tracing: Tracing, span: Span) -> None:
        context = span.get_span_context()
        self.trace_id = format_trace_id(context.trace_id)
        self.sampled_id = self.trace_id if context.trace_flags.sampled else ""
        self._tracing = tracing
        self._span = span
        self._context = set_span_in_context(span)

    def waited(self, since: float, error_type: str = "") -> None:
        """Record the wait for a slot, which began at `since` (monotonic), and ends now.

        Args:
            since: When it began.
            error_type: What ended it, if not a slot; `cancelled` is no failure.
        """
        span = self._tracing.tracer.start_span("queue", self._context, start_time=_epoch(since))
        _end(span, error_type)

    def received(self, since: float) -> None:
        """Record that the upload, which began at `since` (monotonic), is complete."""
        self._tracing.tracer.start_span("receive recording", self._context, start_time=_epoch(since)).end()

    def recognition(self) -> RecognitionTrace:
        """Start the span of the recognition, from the first bytes of the recording to the last words."""
        model, tracer = self._tracing.model, self._tracing.tracer
        span = tracer.start_span(f"transcribe {model}", self._context, attributes={"speech.model": model})
        return RecognitionTrace(tracer, span, self.sampled_id)

    def end(self, status: int, outcome: str, request_id: str) -> None:
        """End the span of the request: status of the response, outcome as in the metrics, id as in the log."""
        span = self._span
        span.set_attributes(
            {"http.response.status_code": status, "speech.outcome": outcome, "speech.request_id": request_id}
        )
        streamed = outcome not in {"ok", "cancelled"} and status < _CLIENT_ERROR  # the status came before the failure
        if status >= _SERVER_ERROR or streamed:
            span.set_attribute("error.type", outcome)
            span.set_status(StatusCode.ERROR)
        span.end()


class RecognitionTrace:
    """The spans of a recognition and of its blocks; used by several threads.

    What is known of a block belongs to its own span: the recognition may have ended, because its client has
    disconnected, while the model decodes the block, and the SDK keeps 128 events of a span.

    Args:
        tracer: Starts spans.
        span: Of the recognition.
        sampled_id: The id of the trace if it is sampled, else empty.
    """

    def __init__(self, tracer: Tracer, span: Span, sampled_id: str) -> None:
        self.sampled_id = sampled_id
        self._tracer = tracer
        self._span = span
        self._context = set_span_in_context(span)

    def decoded(
        self,
        since: float,
        until: float,
        attributes: Mapping[str, AttributeValue],
        others: Iterable[RecognitionTrace],
        error_type: str = "",
    ) -> None:
        """Record a block that the model has decoded.

        Args:
            since: When the model began, monotonic.
            until: When it was done.
            attributes: Of the block.
            others: The other recordings whose blocks were decoded with it; the span has links to them.
            error_type: What failed, if anything.
        """
        links = [Link(other._span.get_span_context()) for other in others]  # noqa: SLF001 - of the same class
        start = _epoch(since)
        span = self._tracer.start_span(
            "decode block", self._context, attributes=attributes, links=links, start_time=start
        )
        if error_type:
            span.set_attribute("error.type", error_type)
            span.set_status(StatusCode.ERROR)
        span.end(start + round((until - since) * 1e9))

    def end(
        self,
        attributes: Mapping[str, AttributeValue],
        doubtful: Sequence[tuple[float, float, str]] = (),
        error_type: str = "",
    ) -> None:
        """End the span of the recognition.

        Args:
            attributes: What is known of the recording.
            doubtful: Doubtful stretches: start, end, reason.
            error_type: What failed, if anything; `cancelled` is no failure.
        """
        self._span.set_attributes(attributes)
        for start, end, reason in doubtful:
            self._span.add_event("doubtful", {"speech.start": start, "speech.end": end, "speech.reason": reason})
        _end(self._span, error_type)


def _end(span: Span, error_type: str) -> None:
    """End a span now; `error_type` is what ended it early, else empty."""
    if error_type:
        span.set_attribute("error.type", error_type)
    if error_type not in {"", "cancelled"}:
        span.set_status(StatusCode.ERROR)
    span.end()


def _epoch(moment: float) -> int:
    """Return a moment of the monotonic clock, in nanoseconds since 1970."""
    return time_ns() - round((monotonic() - moment) * 1e9)
