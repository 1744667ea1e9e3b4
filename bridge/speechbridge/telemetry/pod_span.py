"""The span of one attempt at a pod, and the trace context that the pod gets with it."""

from __future__ import annotations

from time import time_ns
from typing import TYPE_CHECKING, Literal, Protocol

from opentelemetry.trace import StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.trace import Span
    from opentelemetry.util.types import AttributeValue

    from speechbridge.telemetry.spans import RequestTrace
    from speechbridge.telemetry.timeline import Timeline

Operation = Literal["speech_to_text", "chat", "prefill"]

PROPAGATOR = TraceContextTextMapPropagator()
_NO_FAULTS = frozenset({"", "restarted", "cancelled"})
"""What ends attempts and says nothing against the pod."""


class Pod(Protocol):
    """A pod, as `upstreams.endpoint.Endpoint`."""

    @property
    def address(self) -> str:
        """Its IP address."""

    @property
    def port(self) -> int:
        """Its port."""


class EpochClock:
    """Converts times of a timeline's clock to nanoseconds since 1970; all spans of a request have times of one."""

    def __init__(self, timeline: Timeline) -> None:
        self.timeline = timeline
        self._offset = time_ns() - round(timeline.clock() * 1e9)

    def at(self, seconds: float) -> int:
        """Return a time of the timeline's clock."""
        return self._offset + round(seconds * 1e9)

    def now(self) -> int:
        """Return the present."""
        return self.at(self.timeline.clock())


class PodSpan:
    """The wait for a pod, then the work at it."""

    __slots__ = ("_model", "_operation", "_pod", "_since", "_span", "_trace", "_upstream")

    def __init__(self, trace: RequestTrace, operation: Operation, upstream: str, model: str) -> None:
        self._trace = trace
        self._operation = operation
        self._upstream = upstream
        self._model = model
        self._since = trace.clock.timeline.clock()
        self._span: Span | None = None

    def acquired(self, pod: Pod, *, waited: bool) -> str:
        """Record that the request has a pod, and whether it had to wait for it; return header lines for the pod."""
        if waited:
            self._trace.waited("queue", self._upstream, self._since)
        self._since = self._trace.clock.timeline.clock()
        self._pod = pod
        self._span = self._trace.start(pod, self._operation, self._model)
        return context_lines(self._span)

    def accepted(self, pod: Pod) -> None:
        """Record that the pod begins to work; it is another one if the request has left the queue of the first."""
        if self._span is None:
            return
        self._span.add_event("accepted", timestamp=self._trace.clock.now())
        if pod is not self._pod:
            self._span.set_attributes({"server.address": pod.address, "speech.moved_from": self._pod.address})

    def transcribed(self, language: str | None, seconds: float | None) -> None:
        """Record what is known of the recording; None where Whisper does not say."""
        self._set({"gen_ai.speech.input.language": language, "speech.audio_seconds": seconds})

    def generated(self, finish_reason: str, prompt_tokens: int | None, completion_tokens: int | None) -> None:
        """Record how an answer ended; None where the server does not count."""
        self._set({"gen_ai.usage.input_tokens": prompt_tokens, "gen_ai.usage.output_tokens": completion_tokens})
        self._set({"gen_ai.response.finish_reasons": [finish_reason] if finish_reason else None})

    def end(self, error_type: str = "") -> None:
        """End the attempt; `error_type` is what ended it, if not its success."""
        clock, span = self._trace.clock, self._span
        if span is None:
            self._trace.waited("queue", self._upstream, self._since, error_type)
            return
        timeline = clock.timeline
        for name, at in (("first segment", timeline.first_segment), ("first token", timeline.first_token)):
            if at is not None and at >= self._since:
                span.add_event(name, timestamp=clock.at(at))
        end_span(span, error_type, clock)

    def _set(self, attributes: Mapping[str, AttributeValue | None]) -> None:
        if self._span is not None:
            self._span.set_attributes({name: value for name, value in attributes.items() if value is not None})


def context_lines(span: Span) -> str:
    """Return the header lines with which a span continues at a pod, each terminated by CRLF."""
    carrier: dict[str, str] = {}
    PROPAGATOR.inject(carrier, set_span_in_context(span))
    return "".join(f"{name}: {value}\r\n" for name, value in carrier.items())


def end_span(span: Span, error_type: str, clock: EpochClock) -> None:
    """End a span now; `error_type` is what ended it early, else empty."""
    if error_type:
        span.set_attribute("error.type", error_type)
    if error_type not in _NO_FAULTS:
        span.set_status(StatusCode.ERROR)
    span.end(clock.now())
