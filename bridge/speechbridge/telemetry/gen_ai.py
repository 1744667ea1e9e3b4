"""The server metrics of OpenTelemetry's conventions for generative AI, of the pods of the language model.

Ollama has no metrics. The names are those that OpenTelemetry's exporter for Prometheus gives `gen_ai.server.*`; the
buckets are those of the conventions. A request is one attempt at one pod, without the time before it.

Source: https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-metrics/#generative-ai-model-server-metrics
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

from speechbridge.telemetry.instruments import HistogramFamily

if TYPE_CHECKING:
    from collections.abc import Callable

    from speechbridge.telemetry.instruments import Distribution

_OPERATION = "chat"
_LABELS = ("gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model")
_REQUEST_S = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_FIRST_TOKEN_S = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
_TOKEN_S = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)


class GenAi:
    """The metrics.

    Args:
        provider: Value of the label `gen_ai_provider_name`.
        own_token_seconds: The bridge's own histogram of the time per output token, by model.
    """

    def __init__(self, provider: str, own_token_seconds: HistogramFamily) -> None:
        self._provider = provider
        self._own_token_seconds = own_token_seconds
        self._by_model: dict[str, _Measured] = {}
        self.request_seconds = HistogramFamily(
            "gen_ai_server_request_duration_seconds",
            "Duration of a request to a pod of the language model",
            (*_LABELS, "error_type"),
            bounds=_REQUEST_S,
        )
        self.first_token_seconds = HistogramFamily(
            "gen_ai_server_time_to_first_token_seconds",
            "Time from the start of a request to a pod of the language model to its first token",
            _LABELS,
            bounds=_FIRST_TOKEN_S,
        )
        self.token_seconds = HistogramFamily(
            "gen_ai_server_time_per_output_token_seconds",
            "Time per token of an answer after the first one",
            _LABELS,
            bounds=_TOKEN_S,
        )

    @property
    def families(self) -> tuple[HistogramFamily, ...]:
        """The metrics to register and to describe."""
        return self.request_seconds, self.first_token_seconds, self.token_seconds

    def request(self, model: str, error_type: Callable[[BaseException], str], trace_id: str) -> GenAiRequest:
        """Return a request to a pod, which is measured while it is entered as a context.

        Args:
            model: The model's label.
            error_type: Returns the label of an exception that ends it.
            trace_id: The sampled trace that it belongs to, if any.
        """
        measured = self._by_model.get(model)
        if measured is None:
            measured = self._by_model[model] = self._measured(model)
        return GenAiRequest(measured, error_type, trace_id)

    def _measured(self, model: str) -> _Measured:
        labels = (_OPERATION, self._provider, model)
        return _Measured(
            lambda error: self.request_seconds.labels(*labels, error),
            self.request_seconds.labels(*labels, ""),
            self.first_token_seconds.labels(*labels),
            self.token_seconds.labels(*labels),
            self._own_token_seconds.labels(model),
        )


class _Measured(NamedTuple):
    """The metrics of a model, looked up once instead of per request."""

    failed: Callable[[str], Distribution]
    ok: Distribution
    first_token: Distribution
    token: Distribution
    own_token: Distribution


class GenAiRequest:
    """One request to one pod of the language model."""

    __slots__ = ("_began", "_error_type", "_first", "_measured", "_trace_id")

    def __init__(self, measured: _Measured, error_type: Callable[[BaseException], str], trace_id: str) -> None:
        self._measured = measured
        self._error_type = error_type
        self._trace_id = trace_id
        self._first: float | None = None

    def __enter__(self) -> None:
        self._began = perf_counter()

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, *__: object) -> None:
        measured = self._measured
        duration = measured.ok if error is None else measured.failed(self._error_type(error))
        duration.observe(perf_counter() - self._began, self._trace_id)

    def progress(self) -> None:
        """Record that output has arrived; only the first time counts."""
        if self._first is None:
            self._first = perf_counter()
            self._measured.first_token.observe(self._first - self._began, self._trace_id)

    def complete(self, tokens: int | None) -> None:
        """Record that the answer is complete, with so many tokens; None if the server does not tell."""
        if self._first is None or tokens is None or tokens <= 1:
            return
        seconds = (perf_counter() - self._first) / (tokens - 1)
        self._measured.token.observe(seconds, self._trace_id)
        self._measured.own_token.observe(seconds, self._trace_id)
