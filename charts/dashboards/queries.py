"""PromQL that several panels share. `$namespace` and `$pipeline` are variables of the dashboards."""

from __future__ import annotations

PIPELINE = 'namespace=~"$namespace",pipeline=~"$pipeline"'
"""Selects the series of the chosen pipelines, both the operator's and those of their pods."""

ROUTES = 'route=~"/process|/v1/audio/.+|/v1/chat/completions|/v1/responses"'
"""Selects the requests that count for the objectives, as in files/rules/requests.yaml."""

OUTCOMES = 'outcome!~"rejected|cancelled"'
"""Selects the requests that can succeed, as in files/rules/requests.yaml."""

WINDOW = "$__rate_interval"
"""At least four scrapes, and no less than the distance of two points."""


def of_pipeline(metric: str, *matchers: str) -> str:
    """Return the selector of a metric of the chosen pipelines, with further matchers."""
    return f"{metric}{{{','.join((PIPELINE, *matchers))}}}"


def rate(selector: str, *by: str) -> str:
    """Return the increase per second, added up by the given labels."""
    return f"sum{_by(by)} (rate({selector}[{WINDOW}]))"


def increase(selector: str, *by: str, over: str = "$__range") -> str:
    """Return the increase over a time, added up by the given labels."""
    return f"sum{_by(by)} (increase({selector}[{over}]))"


def ratio(part: str, whole: str) -> str:
    """Return a quotient; without a sample, not NaN, where the divisor is zero."""
    return f"{part} / ({whole} > 0)"


def quantile(share: float, histogram: str, *by: str) -> str:
    """Return the value below which a share of what a histogram counts is; `histogram` selects its buckets."""
    return quantile_of(share, rate(histogram, "le", *by))


def quantile_of(share: float, buckets: str) -> str:
    """Return the value below which a share of what buckets count is; without a sample, not NaN, if they are empty."""
    return f"histogram_quantile({share}, {buckets}) >= 0"


def mean(histogram: str, *matchers: str) -> str:
    """Return the mean of what a histogram of the chosen pipelines counts."""
    return ratio(rate(of_pipeline(f"{histogram}_sum", *matchers)), rate(of_pipeline(f"{histogram}_count", *matchers)))


def _by(labels: tuple[str, ...]) -> str:
    return f" by ({', '.join(labels)})" if labels else ""
