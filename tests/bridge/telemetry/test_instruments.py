"""Counters, gauges and histograms expose what those of `prometheus_client` do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from speechbridge.telemetry.instruments import CounterFamily, GaugeFamily, HistogramFamily

pytestmark = pytest.mark.unit

BOUNDS = (0.1, 1.0, 1048576.0)


def exposed(registry: CollectorRegistry) -> dict[str, tuple[str, str, list[tuple[str, dict[str, str], float]]]]:
    """Type, help text and samples of each family, as a scraper reads them; without the times of creation."""
    return {
        family.name: (
            family.type,
            family.documentation,
            [(sample.name, sample.labels, sample.value) for sample in family.samples],
        )
        for family in text_string_to_metric_families(generate_latest(registry).decode())
        if not family.name.endswith("_created")
    }


@given(st.lists(st.sampled_from([0.0, 0.1, 0.5, 1.0, 7.0, 1048576.0, 2e6])), st.sampled_from(["", 'a"b\\c\n']))
def test_a_scraper_sees_no_difference(values: list[float], label: str) -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    counter, gauge = CounterFamily("n_total", "N.", ["of"]), GaugeFamily("g", "G.", ["of"])
    histogram, plain = HistogramFamily("h", "H.", ["of"], bounds=BOUNDS), CounterFamily("p_total", "P.")
    for family in (counter, gauge, histogram, plain):
        ours.register(family)
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

    assert exposed(ours) == exposed(theirs)


def test_an_instrument_has_a_value_for_each_label() -> None:
    requests = CounterFamily("n_total", "N.", ["route", "outcome"])

    with pytest.raises(ValueError, match="n_total has the labels"):
        requests.labels("/process")
