"""What pods and bridges report together: no request counts twice, and what is not complete is unknown."""

from typing import Any

import pytest

from fakes import load
from speechoperator.observe.load_reports import (
    BridgeReport,
    Heard,
    Pods,
    loads,
    models_revisions,
    pod_id,
    pod_loads,
    sent_to_pods,
)
from speechoperator.plan.scaling import Bounds, History, OllamaScaling, ScalingSpec, States, WhisperScaling, scale
from speechoperator.plan.scaling.load import STALE_AFTER_S, Load, Report

pytestmark = pytest.mark.unit

NOW = 1000.0


def whisper(pod: str = "w-0", *, ready: bool = True, age: float | None = 1.0, **members: Any) -> Heard:
    return Heard("whisper", pod, ready, Report.parse({**load.WHISPER, **members}), age)


def bridge(pod: str = "b-0", *, ready: bool = True, age: float | None = 1.0, **members: Any) -> Heard:
    return Heard("bridge", pod, ready, BridgeReport.parse({**load.BRIDGE, **members}), age)


def ollama(held: int = 0, working: int = 0) -> dict[str, Any]:
    return {"ollama": {"held": held, "waiting": 0, "working": working}}


def pods(*, whisper: int = 1, ollama: int = 1, reports: bool = True) -> Pods:
    return Pods(whisper, ollama, reports)


def test_the_load_of_whisper_is_what_pods_report_and_what_bridges_hold() -> None:
    """The bridges' waiting and working requests are those of the pods."""
    heard = [
        whisper("w-0", working=2, audio_seconds_working=20.0, audio_seconds_per_second=10.0),
        whisper("w-1", waiting=1, working=1, audio_seconds_waiting=5.0, audio_seconds_per_second=20.0),
        bridge("b-0", held=1, waiting=1, working=3, audio_seconds_held=30.0, audio_seconds_waiting=35.0),
        bridge("b-1", held=2, audio_seconds_held=40.0, audio_seconds_waiting=40.0, oldest_wait_seconds=9.0),
    ]

    found = loads(heard, pods(whisper=2), NOW).whisper

    assert (found.held, found.waiting, found.working, found.busy) == (3, 1, 3, 2)
    assert (found.audio_seconds_waiting, found.audio_seconds_working) == (75.0, 20.0)
    assert (found.speed, found.oldest_wait_seconds) == (15.0, 9.0)


def test_the_wait_for_a_pods_queue_is_the_pods_to_report() -> None:
    found = loads([whisper(), bridge(waiting=1, oldest_wait_seconds=7.0)], pods(), NOW).whisper
    assert found.oldest_wait_seconds == 0.0


@pytest.mark.parametrize("heard", [[], [Heard("whisper", "w-0", ready=True, reports=False)]])
def test_of_pods_that_report_nothing_the_bridges_know_what_they_have_sent(heard: list[Heard]) -> None:
    """The engine asr-webservice, and an older image of ours."""
    busy = bridge(
        held=1,
        working=2,
        audio_seconds_held=10.0,
        audio_seconds_waiting=10.0,
        audio_seconds_working=60.0,
        audio_seconds_per_second=8.0,
    )

    found = loads([*heard, busy], pods(reports=bool(heard)), NOW).whisper

    assert (found.held, found.waiting, found.working, found.busy) == (1, 0, 2, None)
    assert (found.audio_seconds, found.speed) == (70.0, 8.0)


def test_the_load_of_ollama_is_what_the_bridges_have() -> None:
    heard = [whisper(working=5), bridge("b-0", **ollama(held=1, working=2)), bridge("b-1", **ollama(working=3))]

    found = loads(heard, pods(), NOW).ollama

    assert (found.held, found.waiting, found.working) == (1, 0, 5)


def test_no_traffic_is_zero() -> None:
    found = loads([whisper(), bridge()], pods(), NOW)

    assert (found.whisper.requests, found.whisper.audio_seconds, found.ollama.requests) == (0.0, 0.0, 0.0)
    assert found.whisper.known(NOW)
    assert found.ollama.known(NOW)


def test_without_any_pods_there_is_no_traffic() -> None:
    found = loads([], pods(whisper=0, ollama=0), NOW)

    assert (found.whisper.requests, found.whisper.seen_at) == (0.0, NOW)


@pytest.mark.parametrize(
    "silent",
    [
        Heard("bridge", "b-1", ready=True),
        bridge("b-1", age=STALE_AFTER_S + 1),
        Heard("bridge", "b-1", ready=True, reports=False),
    ],
    ids=["nothing yet", "stale", "without /load"],
)
def test_with_a_silent_bridge_both_loads_are_unknown(silent: Heard) -> None:
    found = loads([whisper(working=1), bridge(held=1, **ollama(held=1)), silent], pods(), NOW)

    assert (found.whisper, found.ollama) == (Load(), Load())


def test_with_a_silent_whisper_pod_only_whispers_load_is_unknown() -> None:
    found = loads([whisper("w-0"), Heard("whisper", "w-1", ready=True), bridge(**ollama(working=1))], pods(), NOW)

    assert found.whisper == Load()
    assert found.ollama.working == 1


def test_a_pod_that_is_not_ready_may_be_silent() -> None:
    heard = [whisper(working=1), Heard("whisper", "w-1", ready=False), Heard("bridge", "b-1", ready=False), bridge()]

    assert loads(heard, pods(whisper=2), NOW).whisper.working == 1


def test_from_zero_held_requests_wake_although_another_bridge_is_silent() -> None:
    heard = [bridge(held=2, audio_seconds_held=20.0, **ollama(held=1)), Heard("bridge", "b-1", ready=True)]

    found = loads(heard, pods(whisper=0, ollama=0), NOW)

    assert (found.whisper.held, found.whisper.audio_seconds) == (2, 20.0)
    assert found.whisper.known(NOW)
    assert found.ollama.held == 1


def test_a_request_that_is_held_for_whisper_starts_both_components_from_zero() -> None:
    """So that the startup times do not add up."""
    spec = ScalingSpec(whisper=WhisperScaling(Bounds(0, 4)), ollama=OllamaScaling(Bounds(0, 2)))
    answered = {"held": 0, "waiting": 0, "working": 0, "coming": 1}
    heard = [bridge(held=1, audio_seconds_held=5.0, ollama=answered), Heard("bridge", "b-1", ready=True)]

    decision = scale(spec, loads(heard, pods(whisper=0, ollama=0), NOW), States(), History(), NOW)

    assert decision.whisper
    assert decision.ollama
    assert (decision.whisper.replicas, decision.ollama.replicas) == (1, 1)


def test_from_zero_a_silent_bridge_is_not_taken_for_no_traffic() -> None:
    found = loads([bridge(), Heard("bridge", "b-1", ready=True)], pods(whisper=0, ollama=0), NOW)

    assert (found.whisper, found.ollama) == (Load(), Load())


def test_a_load_is_as_old_as_the_oldest_report_in_it() -> None:
    found = loads([whisper(age=2.0), bridge("b-0", age=30.0), bridge("b-1", age=0.0)], pods(), NOW)

    assert found.whisper.seen_at == NOW - 30.0


def test_the_reports_of_whisper_pods_are_known_by_name_while_they_are_fresh() -> None:
    heard = [whisper("w-0", working=1), whisper("w-1", age=STALE_AFTER_S + 1), bridge("b-0", working=4)]

    assert {name: report.working for name, report in pod_loads(heard).items()} == {"w-0": 1}


def test_the_work_of_ollama_pods_is_what_all_bridges_have_sent_to_their_addresses() -> None:
    addresses = {"o-0": ["10.0.0.1", "fd00::1"], "o-1": ["10.0.0.2"], "o-2": ["10.0.0.3"]}
    first = bridge("b-0", ollama={"pods": {pod_id("10.0.0.1"): 2, pod_id("10.0.0.3"): 1, pod_id("10.9.9.9"): 7}})
    second = bridge("b-1", ollama={"pods": {pod_id("fd00::1"): 1, pod_id("10.0.0.3"): "many"}})

    found = sent_to_pods([first, second, whisper()], "ollama", addresses)

    assert {pod: report.working for pod, report in found.items()} == {"o-0": 3, "o-1": 0, "o-2": 1}


@pytest.mark.parametrize(
    "silent",
    [
        Heard("bridge", "b-1", ready=True),
        bridge("b-1", age=STALE_AFTER_S + 1),
        bridge("b-1", ollama={"held": 0}),
        bridge("b-1", ollama={"pods": [2]}),
    ],
    ids=["nothing yet", "stale", "an older image", "malformed"],
)
def test_while_a_bridge_does_not_say_what_it_has_sent_no_pod_counts_as_idle(silent: Heard) -> None:
    known = bridge("b-0", ollama={"pods": {pod_id("10.0.0.1"): 2}})

    assert sent_to_pods([known, silent], "ollama", {"o-0": ["10.0.0.1"], "o-1": ["10.0.0.2"]}) == {}


@pytest.mark.parametrize("members", [{}, {"ollama": 7}, {"ollama": {"held": "many"}, "audio_seconds_held": -1}])
def test_what_a_bridge_does_not_report_is_unknown(members: dict[str, Any]) -> None:
    report = BridgeReport.parse(members)

    assert report == BridgeReport(Report(), Report(), Report())
    assert not report.holds


def test_the_lists_of_models_of_ready_bridges_are_known() -> None:
    heard = [
        whisper("w-0"),
        bridge("b-0", models_revision="1a2b"),
        bridge("b-1", models_revision="3c4d"),
        bridge("starting", ready=False, models_revision="3c4d"),
        bridge("silent", age=60.0, models_revision="3c4d"),
        bridge("without a file", models_revision=""),
        bridge("broken", models_revision=7),
        Heard("bridge", "older", ready=True, report=BridgeReport.parse({"held": 0}), age=1.0),
        Heard("bridge", "without /load", ready=True, reports=False),
        Heard("bridge", "not heard yet", ready=True, awaited=True),
        Heard("bridge", "not heard and not ready", ready=False, awaited=True),
        Heard("bridge", "never heard", ready=True),
    ]

    without = dict.fromkeys(("without a file", "broken", "older", "without /load"), "")
    assert models_revisions(heard) == {"b-0": "1a2b", "b-1": "3c4d", "not heard yet": None, **without}
