"""The results of a load test, computed from the outcomes of its requests."""

from __future__ import annotations

import statistics
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Outcome:
    """One request. Durations are in seconds from its start, None for what did not happen.

    `error` is the error code, or None for a complete response; `explanation` is human-readable. `server_ms` is the
    service's own measurement (`process_time_ms`), as are the times of the stages, and `audio_s` the length of the
    recording. `retry_after_s` is when the service asks to try again, if it does.
    """

    latency_s: float
    first_text_s: float | None = None
    first_token_s: float | None = None
    server_ms: float | None = None
    audio_s: float | None = None
    queue_ms: float | None = None
    transcribe_ms: float | None = None
    generate_ms: float | None = None
    error: str | None = None
    explanation: str = ""
    retry_after_s: float | None = None


@dataclass(frozen=True)
class Spread:
    """The distribution of values, in milliseconds."""

    mean: float
    min: float
    p50: float
    p95: float
    p99: float
    max: float


@dataclass(frozen=True)
class Report:
    """A whole run. Distributions are over the successful requests, None without any.

    `errors` counts failures by code, the most frequent first; `explanations` has one explanation for each code.
    """

    requests: int
    concurrency: int
    succeeded: int
    failed: int
    wall_s: float
    requests_per_second: float
    audio_seconds_per_second: float
    latency_ms: Spread | None
    first_text_ms: Spread | None
    first_token_ms: Spread | None
    server_ms: Spread | None
    queue_ms: Spread | None
    transcribe_ms: Spread | None
    generate_ms: Spread | None
    errors: dict[str, int]
    explanations: dict[str, str]

    def as_json(self) -> dict[str, Any]:
        """Return the report as JSON values, rounded to three decimals."""
        rounded: dict[str, Any] = _rounded(asdict(self))
        return rounded


def report(outcomes: Sequence[Outcome], *, concurrency: int, wall_s: float) -> Report:
    """Summarize a run of `wall_s` seconds; it has at least one outcome, and `wall_s` is positive."""
    whole = [outcome for outcome in outcomes if outcome.error is None]
    return Report(
        requests=len(outcomes),
        concurrency=concurrency,
        succeeded=len(whole),
        failed=len(outcomes) - len(whole),
        wall_s=wall_s,
        requests_per_second=len(whole) / wall_s,
        audio_seconds_per_second=sum(outcome.audio_s or 0 for outcome in whole) / wall_s,
        latency_ms=spread([outcome.latency_s * 1000 for outcome in whole]),
        first_text_ms=spread([outcome.first_text_s * 1000 for outcome in whole if outcome.first_text_s is not None]),
        first_token_ms=spread([outcome.first_token_s * 1000 for outcome in whole if outcome.first_token_s is not None]),
        server_ms=spread([outcome.server_ms for outcome in whole if outcome.server_ms is not None]),
        queue_ms=spread([outcome.queue_ms for outcome in whole if outcome.queue_ms is not None]),
        transcribe_ms=spread([outcome.transcribe_ms for outcome in whole if outcome.transcribe_ms is not None]),
        generate_ms=spread([outcome.generate_ms for outcome in whole if outcome.generate_ms is not None]),
        errors=dict(Counter(outcome.error for outcome in outcomes if outcome.error is not None).most_common()),
        explanations={outcome.error: outcome.explanation for outcome in outcomes if outcome.error is not None},
    )


def spread(values: Sequence[float]) -> Spread | None:
    """Return the distribution of values, None without any."""
    if not values:
        return None
    return Spread(
        mean=statistics.fmean(values),
        min=min(values),
        p50=percentile(values, 50),
        p95=percentile(values, 95),
        p99=percentile(values, 99),
        max=max(values),
    )


def percentile(values: Sequence[float], percent: float) -> float:
    """Return a percentile by linear interpolation between the two nearest ranks, the default of numpy and R (type 7).

    With few values a high percentile is close to the maximum: a p99 requires some hundred requests to be meaningful.
    """
    ordered = sorted(values)
    place = (len(ordered) - 1) * percent / 100
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    return round(value, 3) if isinstance(value, float) else value
