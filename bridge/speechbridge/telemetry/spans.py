"""The spans of requests: what OpenTelemetry sends to a receiver. Imported only if requests are traced.

Names and attributes are those of OpenTelemetry's conventions for HTTP and for generative AI, and for `speech_to_text`
those of a proposal; what none of them has begins with `speech.`. Recordings, transcripts, prompts and answers are never
part of a span.

Sources: https://opentelemetry.io/docs/specs/semconv/http/http-spans/,
https://github.com/open-telemetry/semantic-conventions-genai (docs/gen-ai/gen-ai-spans.md, pull request 390)
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from threading import Thread
from typing import TYPE_CHECKING, Literal

from opentelemetry.trace import SpanKind, StatusCode, format_trace_id, set_span_in_context

from speechbridge.telemetry.pod_span import PROPAGATOR, EpochClock, PodSpan, context_lines, end_span

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span
    from opentelemetry.util.types import AttributeValue

    from speechbridge.settings import Settings
    from speechbridge.telemetry.pod_span import Operation, Pod
    from speechbridge.telemetry.timeline import Timeline

SERVICE = "speechbridge"
_CLOSE_WITHIN_S = 5.0
_SERVER_ERROR = 500
_FAULTS = frozenset({"failed", "partial", "deadline", "overloaded"})
"""Outcomes of requests that are neither the client's fault nor its decision."""


@dataclass(frozen=True)
class Names:
    """What upstreams are called in spans: the Whisper model, and the protocol of each upstream, by operation."""

    whisper_model: str
    providers: Mapping[Operation, str]

    @classmethod
    def of(cls, settings: Settings) -> Names:
        """Return the names according to the settings."""
        llm = settings.generator
        return cls(settings.whisper_model, {"speech_to_text": settings.transcriber, "chat": llm, "prefill": llm})


class Tracing:
    """Starts the traces of requests.

    Args:
        provider: Where spans go.
        names: What upstreams are called.
    """

    def __init__(self, provider: TracerProvider, names: Names) -> None:
        self.names = names
        self.tracer = provider.get_tracer(SERVICE, metadata.version("speechpipeline"))
        self._provider = provider

    def request(
        self, method: str, route: str, path: str, headers: Mapping[str, str], timeline: Timeline
    ) -> RequestTrace:
        """Start the span of a request, in the trace of the caller if its headers name one; the caller samples."""
        clock = EpochClock(timeline)
        span = self.tracer.start_span(
            f"{method} {route}",
            PROPAGATOR.extract(headers),
            SpanKind.SERVER,
            {"http.request.method": method, "http.route": route, "url.path": path, "url.scheme": "http"},
            start_time=clock.at(timeline.started),
        )
        return RequestTrace(self, span, clock)

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
        clock: For all of them.

    Attributes:
        trace_id: The id of the trace, 32 hexadecimal digits.
        sampled_id: The same if the spans are sent, else "".
    """

    def __init__(self, tracing: Tracing, span: Span, clock: EpochClock) -> None:
        context = span.get_span_context()
        self.trace_id = format_trace_id(context.trace_id)
        self.sampled_id = self.trace_id if context.trace_flags.sampled else ""
        self.clock = clock
        self._tracing = tracing
        self._span = span
        self._context = set_span_in_context(span)
        self._sent: dict[Operation, int] = {}

    def received(self) -> None:
        """Record that the recording has arrived, or as much of it as a pod needs to start."""
        self._ended("receive recording", self.clock.timeline.started, {})

    def waited(self, name: Literal["queue", "hold"], for_: str, since: float, error_type: str = "") -> None:
        """Record a wait that ends now.

        Args:
            name: `queue` for a turn, `hold` while no pod can be reached.
            for_: What it waited for: `admission`, `whisper` or `llm`.
            since: When it began.
            error_type: What ended it, if not its turn.
        """
        self._ended(name, since, {"speech.wait.for": for_}, error_type)

    def attempt(self, operation: Operation, upstream: str, model: str) -> PodSpan:
        """Return the span of an attempt at a pod, which starts once it has a pod.

        Args:
            operation: What the pod is to do.
            upstream: What the pod belongs to: `whisper` or `llm`.
            model: The language model; empty for Whisper.
        """
        return PodSpan(self, operation, upstream, model)

    @contextmanager
    def prefill(self, model: str, pod: Pod) -> Iterator[str]:
        """Trace the evaluation of a prompt, which ends early without harm; yields header lines for the pod."""
        span = self.start(pod, "prefill", model)
        try:
            yield context_lines(span)
        finally:
            span.end(self.clock.now())

    def start(self, pod: Pod, operation: Operation, model: str) -> Span:
        """Start the span of work at a pod; arguments as of `attempt`."""
        names, resent = self._tracing.names, self._sent.get(operation, 0)
        self._sent[operation] = resent + 1
        model = model or names.whisper_model
        attributes: dict[str, str | int] = {
            "gen_ai.operation.name": operation,
            "gen_ai.provider.name": names.providers[operation],
            "gen_ai.request.model": model,
            "server.address": pod.address,
            "server.port": pod.port,
            **({"http.request.resend_count": resent} if resent else {}),
        }
        name, start = f"{operation} {model}", self.clock.now()
        return self._tracing.tracer.start_span(name, self._context, SpanKind.CLIENT, attributes, start_time=start)

    def end(self, status: int, outcome: str, code: str, request_id: str) -> None:
        """End the span of the request: status of the response, outcome as in the metrics, code of the error if any."""
        span = self._span
        span.set_attributes(
            {"http.response.status_code": status, "speech.outcome": outcome, "speech.request_id": request_id}
        )
        if code:
            span.set_attribute("error.type", code)
        if outcome in _FAULTS or status >= _SERVER_ERROR:
            span.set_status(StatusCode.ERROR)
        span.end(self.clock.now())

    def _ended(self, name: str, since: float, attributes: Mapping[str, AttributeValue], error_type: str = "") -> None:
        start = self.clock.at(since)
        span = self._tracing.tracer.start_span(name, self._context, attributes=attributes, start_time=start)
        end_span(span, error_type, self.clock)
