"""Metrics have the names, units and descriptions that Prometheus' conventions ask for, alike in all services.

Source: https://prometheus.io/docs/practices/naming/
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families

from contract.services.programs import BRIDGE, WHISPER, Process, Program
from generator import definitions

if TYPE_CHECKING:
    from prometheus_client import Metric

pytestmark = pytest.mark.unit

UNITS = ("seconds", "bytes")
OTHER_UNITS = re.compile(r"_(ms|millis|milliseconds|microseconds|minutes|hours|kb|mb|kib|mib|kilobytes|percent)(_|$)")
DURATION = re.compile(r"\b(duration|time|delay|age)\b", re.IGNORECASE)
SIZE = re.compile(r"\b(size|bytes)\b", re.IGNORECASE)
COUNT = re.compile("Blocks ")
"""What a histogram counts that has no unit."""
CONVENTIONS = {"speechbridge": {"gen_ai"}}
"""Prefixes of metrics that others have named (OpenTelemetry)."""
FACTOR = "Processing time per second of audio"


@pytest.fixture
def families(service: Program, running: Process) -> list[Metric]:
    """The service's own metrics; names without the `_total` of counters."""
    found = list(text_string_to_metric_families(running.ask("/metrics").body))
    return [family for family in found if family.name.startswith(f"{service.package}_")]


def test_every_name_begins_with_the_package_or_is_one_of_the_python_client(service: Program, running: Process) -> None:
    found = list(text_string_to_metric_families(running.ask("/metrics").body))
    own = {service.package, "process", "python"} | CONVENTIONS.get(service.package, set())

    assert {one for family in found for one in own if family.name.startswith(f"{one}_")} == own
    assert [family.name for family in found if not family.name.startswith(tuple(f"{one}_" for one in own))] == []


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
        timed = family.type == "histogram" and not COUNT.match(family.documentation)
        if timed or DURATION.match(family.documentation):
            assert family.name.endswith(UNITS), family
        if SIZE.match(family.documentation):
            assert family.name.endswith("_bytes"), family


SPELLINGS = {
    "namespace": ("ns", "namespace_name"),
    "pipeline": ("name", "pipeline_name", "instance"),
    "model": ("model_name",),
    "outcome": ("status_code", "result_code"),
    "route": ("path", "handler", "endpoint"),
    "reason": ("cause",),
}
"""The one name of what several services have as a label, and others that it might be given."""


def test_a_label_has_one_name_in_all_services() -> None:
    names = {label for one in definitions.all_metrics() for label in one.labels}

    assert names >= SPELLINGS.keys()
    assert {name for name in names if not re.fullmatch(r"[a-z][a-z_]*", name)} == set()
    assert names & {other for others in SPELLINGS.values() for other in others} == set()


def test_what_services_measure_alike_has_the_same_name_type_and_labels() -> None:
    kinds = {one.name: (one.type, one.labels) for one in definitions.all_metrics()}
    shared = ("requests_total", "request_duration_seconds", "time_to_first_segment_seconds", "audio_seconds_total")

    assert [name for name in shared if kinds[f"speechbridge_{name}"] != kinds[f"speechwhisper_{name}"]] == []


def test_metrics_of_a_pipeline_name_it_by_the_same_labels() -> None:
    for one in definitions.of_pipelines():
        assert one.name.startswith("speechoperator_pipeline_")
        assert one.labels[:2] == ("namespace", "pipeline")
        assert one.name.endswith("_total") == (one.type == "counter")


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
