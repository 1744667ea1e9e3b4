"""Loads, schedules, and what a SpeechPipeline says about scaling."""

from datetime import UTC, datetime, time

import pytest

from speechoperator.api import SpeechPipeline
from speechoperator.plan.scaling import Bounds, Load, OllamaScaling, Report, WhisperScaling, total
from speechoperator.plan.scaling.schedule import Schedule, scheduled_minimum
from speechoperator.plan.scaling.spec import from_pipeline

pytestmark = pytest.mark.unit


def test_loads_are_the_sums_of_what_pods_and_bridges_report() -> None:
    bridge = Report.parse({"held": 2, "waiting": 0, "working": 0, "audio_seconds_waiting": 40})
    busy = Report.parse(
        {"waiting": 3, "working": 1, "audio_seconds_waiting": 60, "audio_seconds_working": 5, "slots": 1}
        | {"audio_seconds_per_second": 8, "oldest_wait_seconds": 4.5}
    )
    idle = Report.parse({"waiting": 0, "working": 0, "audio_seconds_per_second": 12, "oldest_wait_seconds": 0})
    assert total([bridge, busy, idle], 7.0) == Load(
        held=2.0,
        waiting=3.0,
        working=1.0,
        busy=1.0,
        audio_seconds_waiting=100.0,
        audio_seconds_working=5.0,
        speed=10.0,
        oldest_wait_seconds=4.5,
        seen_at=7.0,
    )


def test_without_a_pod_there_is_no_load() -> None:
    empty = total([], 7.0)
    assert (empty.requests, empty.audio_seconds, empty.speed) == (0.0, 0.0, None)
    assert empty.known(8.0)


@pytest.mark.parametrize("value", [-1, float("nan"), float("inf"), 1e308, 10**400, "3", True, None, [1]])
def test_what_is_no_amount_is_unknown(value: object) -> None:
    assert Report.parse({"waiting": value}).waiting is None


def test_unknown_members_of_all_reports_are_unknown_and_not_zero() -> None:
    unknown = total([Report(), Report()], 7.0)
    assert (unknown.waiting, unknown.audio_seconds, unknown.requests) == (None, None, None)
    assert not unknown.known(8.0)


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("moment", "active"),
    [
        ("2026-11-27T07:59", False),  # a Friday; Berlin is one hour ahead
        ("2026-11-27T08:00", True),
        ("2026-11-27T15:59", True),
        ("2026-11-27T16:00", False),
        ("2026-11-28T10:00", False),  # a Saturday
        ("2026-07-03T07:00", True),  # a Friday in summer; Berlin is two hours ahead
    ],
)
def test_a_schedule_is_in_local_time(moment: str, active: bool) -> None:  # noqa: FBT001 - a parameter of the test
    office = Schedule("whisper", 2, time(9), time(17), frozenset(range(5)), "Europe/Berlin")
    assert office.active(at(moment)) is active


@pytest.mark.parametrize(
    ("moment", "active"),
    [("2026-11-27T23:00", True), ("2026-11-28T05:59", True), ("2026-11-28T06:00", False), ("2026-11-28T23:00", False)],
)
def test_a_schedule_may_end_on_the_next_day(moment: str, active: bool) -> None:  # noqa: FBT001 - a parameter of the test
    friday_night = Schedule("whisper", 2, time(22), time(6), frozenset({4}))
    assert friday_night.active(at(moment)) is active


def test_the_highest_minimum_of_a_component_applies() -> None:
    schedules = [
        Schedule("whisper", 2, time(8), time(18)),
        Schedule("whisper", 4, time(9), time(10)),
        Schedule("ollama", 9, time(0), time(23)),
    ]
    assert scheduled_minimum(schedules, "whisper", at("2026-11-27T09:30"), 0.0) == 4
    assert scheduled_minimum(schedules, "whisper", at("2026-11-27T12:00"), 0.0) == 2
    assert scheduled_minimum(schedules, "whisper", at("2026-11-27T20:00"), 0.0) == 0


def pipeline(whisper: dict[str, object], ollama: dict[str, object]) -> SpeechPipeline:
    spec = {"whisper": whisper, "ollama": {"models": [{"name": "llama3"}], **ollama}}
    return SpeechPipeline.parse(
        {
            "apiVersion": "speechpipeline.dev/v1alpha1",
            "kind": "SpeechPipeline",
            "metadata": {"name": "calls", "namespace": "default"},
            "spec": spec,
        }
    )


def test_a_pipeline_says_how_it_is_scaled() -> None:
    found = pipeline(
        {"gpu": {"count": 1}, "cache": {"ephemeral": True}, "scaling": {"minReplicas": 0, "maxReplicas": 4}},
        {"cache": {"ephemeral": True}, "scaling": {"maxReplicas": 2, "targetInFlight": 6}},
    )
    spec = from_pipeline(found.spec)
    assert spec.whisper == WhisperScaling(Bounds(0, 4, 1), None)
    assert spec.ollama == OllamaScaling(Bounds(1, 2, 0), 6)


def test_a_target_that_was_set_is_used_and_external_services_are_not_scaled() -> None:
    found = pipeline({"scaling": {"targetBacklog": "90s"}}, {"url": "http://ollama.example.com"})
    spec = from_pipeline(found.spec)
    assert spec.whisper
    assert spec.whisper.target_backlog == 90.0
    assert spec.ollama is None
