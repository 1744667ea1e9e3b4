import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechcli.load_report import Outcome, percentile, report, spread

pytestmark = pytest.mark.unit


def test_percentiles_interpolate_between_ranks() -> None:
    assert percentile([1, 2, 3, 4], 50) == 2.5
    assert percentile(list(range(101)), 99) == 99
    assert percentile([7], 99) == 7


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0, 100))
def test_a_percentile_lies_between_the_extremes_and_never_falls_with_the_percentage(
    values: list[float], percent: float
) -> None:
    found = percentile(values, percent)
    assert min(values) <= found <= max(values)
    assert percentile(values, percent / 2) <= found


def test_nothing_measured_has_no_spread() -> None:
    assert spread([]) is None


def test_a_report_counts_failures_by_kind_and_leaves_them_out_of_latencies() -> None:
    outcomes = [
        Outcome(latency_s=1.0, first_text_s=0.2, first_token_s=0.5, server_ms=900, audio_s=6.0),
        Outcome(latency_s=3.0, first_text_s=0.4, first_token_s=1.5, server_ms=2900, audio_s=6.0),
        Outcome(latency_s=0.1, error="busy", explanation="all pods are busy"),
        Outcome(latency_s=0.1, error="busy", explanation="all pods are busy"),
        Outcome(latency_s=60.0, error="timeout", explanation="no whole answer in time"),
    ]

    found = report(outcomes, concurrency=2, wall_s=4.0)

    assert (found.requests, found.succeeded, found.failed) == (5, 2, 3)
    assert found.errors == {"busy": 2, "timeout": 1}
    assert found.explanations["busy"] == "all pods are busy"
    assert found.latency_ms is not None
    assert (found.latency_ms.min, found.latency_ms.mean, found.latency_ms.max) == (1000, 2000, 3000)
    assert found.audio_seconds_per_second == 3.0
    assert found.requests_per_second == 0.5


def test_a_report_where_all_failed_is_still_json() -> None:
    found = report([Outcome(latency_s=1, error="connect")], concurrency=1, wall_s=1.0)

    assert json.loads(json.dumps(found.as_json()))["latency_ms"] is None
