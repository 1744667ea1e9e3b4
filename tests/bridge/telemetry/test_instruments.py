"""Counters, gauges and histograms expose what those of `prometheus_client` do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics_of
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from speechbridge.telemetry.instruments import CounterFamily, GaugeFamily, HistogramFamily

pytestmark = pytest.mark.unit

BOUNDS = (0.1, 1.0, 1048576.0)


def exposed(text: str) -> dict[str, tuple[str, str, list[tuple[str, dict[str, str], float]]]]:
    """Type, help text and samples of each family, as a scraper reads them; without the times of creation."""
    return {
        family.name: (
            family.type,
            family.documentation,
            [(sample.name, sample.labels, sample.value) for sample in family.samples],
        )
        for family in text_string_to_metric_families(text)
        if not family.name.endswith("_created")
    }


def openly(text: str) -> dict[str, tuple[str, list[tuple[str, dict[str, str], float]]]]:
    """The same in the format of OpenMetrics, which the parser checks strictly."""
    return {
        family.name: (
            family.type,
            [
                (sample.name, sample.labels, sample.value)
                for sample in family.samples
                if not sample.name.endswith("_created")
            ],
        )
        for family in openmetrics(text)
    }


@given(st.lists(st.sampled_from([0.0, 0.1, 0.5, 1.0, 7.0, 1048576.0, 2e6])), st.sampled_from(["", 'a"b\\c\n']))
def test_a_scraper_sees_no_difference(values: list[float], label: str) -> None:
    theirs = CollectorRegistry()
    counter, gauge = CounterFamily("n_total", "N.", ["of"]), GaugeFamily("g", "G.", ["of"])
    histogram, plain = HistogramFamily("h", "H.", ["of"], bounds=BOUNDS), CounterFamily("p_total", "P.")
    their_counter = Counter("n_total", "N.", ["of"], registry=theirs)
    their_gauge = Gauge("g", "G.", ["of"], registry=theirs)
    their_histogram = Histogram("h", "H.", ["of"], buckets=BOUNDS, registry=theirs)
    their_plain = Counter("p_total", "P.", registry=theirs)

    for value in values:
        for number in (counter.labels(label), their_counter.labels(label), plain.labels(), their_plain):
            number.inc(value)
        for level in (gauge.labels(label), their_gauge.labels(label)):
            level.inc(value)
            level.inc(-1)
        for distribution in (histogram.labels(label), their_histogram.labels(label)):
            distribution.observe(value)

    families = (counter, gauge, histogram, plain)
    assert exposed("".join(one.render() for one in families)) == exposed(generate_latest(theirs).decode())
    ours = "".join(one.render(open_metrics=True) for one in families) + "# EOF\n"
    assert openly(ours) == openly(openmetrics_of(theirs).decode())


def test_the_last_trace_of_a_bucket_is_its_exemplar() -> None:
    histogram = HistogramFamily("h_seconds", "H.", bounds=BOUNDS)
    for value, trace in ((0.05, "a" * 32), (0.06, "b" * 32), (0.07, ""), (5.0, "")):
        histogram.labels().observe(value, trace)

    (family,) = openmetrics(histogram.render(open_metrics=True) + "# EOF\n")

    exemplars = {sample.labels["le"]: sample.exemplar for sample in family.samples if sample.exemplar}
    assert {bound: (one.labels, one.value) for bound, one in exemplars.items()} == {
        "0.1": ({"trace_id": "b" * 32}, 0.06)
    }


def test_an_instrument_has_a_value_for_each_label() -> None:
    requests = CounterFamily("n_total", "N.", ["route", "outcome"])

    with pytest.raises(ValueError, match="n_total has the labels"):
        requests.labels("/process")
