"""Metrics have the names, units and descriptions that Prometheus' conventions ask for, alike in all services.

Source: https://prometheus.io/docs/practices/naming/
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families

from contract.services.programs import BRIDGE, WHISPER, Process, Program

if TYPE_CHECKING:
    from prometheus_client import Metric

pytestmark = pytest.mark.unit

UNITS = ("seconds", "bytes")
OTHER_UNITS = re.compile(r"_(ms|millis|milliseconds|microseconds|minutes|hours|kb|mb|kib|mib|kilobytes|percent)(_|$)")
DURATION = re.compile(r"\b(duration|time|delay|age)\b", re.IGNORECASE)
SIZE = re.compile(r"\b(size|bytes)\b", re.IGNORECASE)
FACTOR = "Processing time per second of audio"


@pytest.fixture
def families(service: Program, running: Process) -> list[Metric]:
    """The service's own metrics; names without the `_total` of counters."""
    found = list(text_string_to_metric_families(running.ask("/metrics").body))
    return [family for family in found if family.name.startswith(f"{service.package}_")]


def test_every_name_begins_with_the_package_or_is_one_of_the_python_client(service: Program, running: Process) -> None:
    found = text_string_to_metric_families(running.ask("/metrics").body)
    prefixes = {family.name.partition("_")[0] for family in found}

    assert prefixes == {service.package, "process", "python"}


def test_every_metric_has_a_description_in_the_same_form(families: list[Metric]) -> None:
    assert families
    for family in families:
        assert re.match(r"[A-Z1]", family.documentation), family
        assert not family.documentation.endswith("."), family


def test_no_name_has_another_unit(families: list[Metric]) -> None:
    assert [family.name for family in families if OTHER_UNITS.search(family.name)] == []


def test_every_duration_is_in_seconds_and_every_size_in_bytes(families: list[Metric]) -> None:
    for family in families:
        if family.documentation.startswith(FACTOR):
            continue
        if family.type == "histogram" or DURATION.match(family.documentation):
            assert family.name.endswith(UNITS), family
        if SIZE.match(family.documentation):
            assert family.name.endswith("_bytes"), family


def test_every_counter_ends_with_total_and_nothing_else_does(service: Program, running: Process) -> None:
    typed = re.findall(rf"^# TYPE ({service.package}_\w+) (\w+)$", running.ask("/metrics").body, re.MULTILINE)

    assert typed
    for name, kind in typed:
        assert name.endswith("_total") == (kind == "counter"), name


def test_there_is_no_series_for_the_creation_of_another(running: Process) -> None:
    assert "_created" not in running.ask("/metrics").body


@pytest.mark.parametrize("service", [BRIDGE, WHISPER], ids=lambda program: program.package, indirect=True)
def test_the_realtime_factor_means_the_same(families: list[Metric]) -> None:
    (factor,) = (family for family in families if "realtime" in family.name)

    assert factor.name.endswith("_realtime_factor")
    assert factor.documentation.startswith(FACTOR)


@pytest.mark.parametrize("service", [BRIDGE, WHISPER], ids=lambda program: program.package, indirect=True)
def test_requests_are_counted_by_route_and_outcome(service: Program, running: Process) -> None:
    running.ask("/nowhere")
    running.ask("/livez")

    text = running.ask("/metrics").body

    assert f'{service.package}_requests_total{{outcome="ok",route="/livez"}}' in text
    assert f'{service.package}_requests_total{{outcome="' in text
    assert 'route="unmatched"' in text
    assert f'{service.package}_request_duration_seconds_count{{route="/livez"}}' in text
