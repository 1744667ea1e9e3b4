"""How replicas follow the load: examples."""

from dataclasses import replace
from datetime import time

import pytest

from fakes.scaled_component import SPEED, START, ScaledWhisper, load, whisper
from speechoperator.plan.scaling import (
    Bounds,
    ComponentState,
    History,
    Load,
    Loads,
    OllamaScaling,
    ScalingSpec,
    States,
    WhisperScaling,
    scale,
)
from speechoperator.plan.scaling.behavior import Behavior, Policy, Rules
from speechoperator.plan.scaling.schedule import Schedule

pytestmark = pytest.mark.unit

LOADING = ComponentState(desired=2, ready=1, starting=1, startup_seconds=60.0)


def test_a_backlog_is_to_be_decoded_within_the_target() -> None:
    # 1800 s of audio at 10 s/s are 180 s of work: three pods need 60 s.
    calls = ScaledWhisper(whisper(target_backlog=60.0))
    assert calls.step(load(1795, busy=1)) == 4  # three for the backlog, and the busy one for what still arrives


def test_without_a_target_a_backlog_is_to_be_decoded_within_the_startup_time_of_a_pod() -> None:
    quick = ScaledWhisper(state=ComponentState(desired=1, ready=1, startup_seconds=30.0))
    slow = ScaledWhisper(state=ComponentState(desired=1, ready=1, startup_seconds=120.0))
    assert quick.step(load(1800)) == 6
    assert slow.step(load(1800)) == 2


def test_a_single_long_recording_needs_a_single_pod() -> None:
    calls = ScaledWhisper()
    calls.step(load(0, requests=0))
    assert calls.steps(load(3600, requests=1), 5)[-1] == 1


def test_the_reason_is_in_words_and_the_id_is_stable() -> None:
    one, other = ScaledWhisper(whisper(target_backlog=60.0)), ScaledWhisper(whisper(target_backlog=60.0))
    one.step(load(1795, busy=1))
    other.step(load(1795, busy=1))
    (change,) = one.decisions[0].changes
    assert change.reason.startswith("1800 s of audio to decode within 60 s at 10.0 s/s per pod")
    assert len(change.id) == 6
    assert change == other.decisions[0].changes[0]


def test_the_reason_stays_until_the_next_change() -> None:
    calls = ScaledWhisper(whisper(target_backlog=60.0))
    calls.step(load(1795, busy=1))
    calls.step(load(1700, busy=1))
    first, second = (decision.whisper for decision in calls.decisions)
    assert first
    assert second
    assert second.reason == first.reason
    assert not calls.decisions[1].changes


def test_no_traffic_scales_down_to_the_minimum_once_the_window_has_passed() -> None:
    calls = ScaledWhisper(state=ComponentState(desired=3, ready=3, startup_seconds=30.0))
    assert calls.step(load(busy=1.5)) == 3
    assert calls.step(load()) == 3
    assert calls.steps(load(), 400)[-1] == 1


def test_idle_whisper_is_scaled_to_zero_after_its_own_delay() -> None:
    calls = ScaledWhisper(whisper(0, behavior=Behavior(down=Rules(60.0), idle_period=600.0)))
    calls.step(load(busy=0.1))
    assert calls.steps(load(), 590)[-1] == 1
    assert calls.steps(load(), 30)[-1] == 0


def test_the_first_held_request_starts_a_pod_from_zero() -> None:
    calls = ScaledWhisper(whisper(0), ComponentState(desired=0))
    assert calls.step(load()) == 0
    held = load(20, held=1.0, requests=0, speed=None)
    assert calls.step(held) == 1


def test_nothing_more_is_started_before_the_speed_is_known() -> None:
    calls = ScaledWhisper(whisper(0), ComponentState(desired=0))
    assert calls.steps(load(3600, held=100.0, requests=0, speed=None), 30)[-1] == 1


@pytest.mark.parametrize("seen", [Load(), Load(waiting=5.0), load(1000, seen_at=START - 3600)])
def test_an_unknown_or_old_load_keeps_the_replicas(seen: Load) -> None:
    calls = ScaledWhisper(state=ComponentState(desired=3, ready=3))
    assert calls.step(seen, fresh=False) == 3
    assert calls.decisions[0].whisper
    assert calls.decisions[0].whisper.need is None


def test_pods_that_start_count_as_capacity() -> None:
    calls = ScaledWhisper(whisper(target_backlog=60.0))
    first = calls.step(load(1795, busy=1))
    assert set(calls.steps(load(1795, busy=1), 50)) == {first}


def test_a_loading_pod_is_kept_even_if_the_load_is_gone() -> None:
    calls = ScaledWhisper(whisper(1, behavior=Behavior(down=Rules(0.0))), LOADING)
    assert calls.steps(load(), 120)[-1] == 2
    assert calls.decisions[-1].whisper
    assert calls.decisions[-1].whisper.limits == ("a pod is still loading",)
    calls.pods_become_ready()
    assert calls.step(load()) == 1


def test_of_loading_pods_and_pods_without_a_node_only_the_latter_are_withdrawn() -> None:
    waiting = ComponentState(desired=4, ready=1, starting=1, pending=2, startup_seconds=60.0)
    calls = ScaledWhisper(whisper(1, behavior=Behavior(down=Rules(0.0))), waiting)
    assert calls.steps(load(), 120)[-1] == 2


def test_pods_that_find_no_node_are_withdrawn_and_named() -> None:
    stuck = ComponentState(
        desired=3, ready=2, pending=1, unschedulable=1, scheduler_message="0/3 nodes: Insufficient nvidia.com/gpu"
    )
    calls = ScaledWhisper(state=stuck)
    assert calls.step(load(6000, busy=2)) == 2
    calls.state = replace(stuck, desired=2, pending=0, unschedulable=0)
    assert calls.steps(load(6000, busy=2), 300)[-1] == 2
    assert calls.decisions[-1].whisper
    assert "no node has room for more: 0/3 nodes: Insufficient nvidia.com/gpu" in calls.decisions[-1].whisper.limits


def test_a_pod_without_a_node_that_is_seen_once_more_costs_no_running_pod() -> None:
    stuck = ComponentState(desired=3, ready=2, pending=1, unschedulable=1)
    calls = ScaledWhisper(state=stuck)
    calls.step(load(6000, busy=2))
    calls.state = replace(stuck, desired=2)
    assert calls.step(load(6000, busy=2)) == 2


def test_what_found_no_node_is_tried_again_later() -> None:
    stuck = ComponentState(desired=3, ready=2, pending=1, unschedulable=1)
    calls = ScaledWhisper(state=stuck)
    calls.step(load(6000, busy=2))
    calls.state = replace(stuck, desired=2, pending=0, unschedulable=0)
    assert calls.steps(load(6000, busy=2), 620)[-1] > 2


def test_policies_limit_how_fast_replicas_are_added() -> None:
    behavior = Behavior(up=Rules(policies=(Policy("Pods", 1, 30.0),)))
    calls = ScaledWhisper(whisper(target_backlog=60.0, behavior=behavior))
    replicas = calls.steps(load(6000, busy=1), 100)
    assert [replicas.index(number) for number in (2, 3, 4, 5)] == [0, 30, 60, 90]


def test_a_new_leader_does_not_scale_down_sooner_than_the_old_one_would_have() -> None:
    calls = ScaledWhisper(whisper(behavior=Behavior(down=Rules(300.0))))
    calls.step(load(1800, busy=1))
    calls.pods_become_ready()
    calls.steps(load(), 100)
    calls.history = History.from_status([change.as_status() for change in calls.history.changes])
    high = calls.state.desired
    assert set(calls.steps(load(), 190)) == {high}
    assert calls.steps(load(), 200)[-1] == 1


def test_a_new_leader_without_a_history_observes_the_load_first() -> None:
    calls = ScaledWhisper(state=ComponentState(desired=5, ready=5, startup_seconds=60.0))
    assert set(calls.steps(load(), 50)) == {5}
    assert calls.steps(load(), 60)[-1] == 1


def test_a_new_leader_waits_for_the_idle_period_since_it_does_not_know_the_last_request() -> None:
    """The last change may be hours older than the last request."""
    calls = ScaledWhisper(
        whisper(0, 1, behavior=Behavior(down=Rules(0.0), idle_period=300.0)), ComponentState(desired=0)
    )
    calls.step(load(20, held=1.0, requests=0, speed=None))
    calls.pods_become_ready()
    calls.steps(load(0, busy=1), 7200, interval=30.0)
    calls.history = History.from_status([change.as_status() for change in calls.history.changes])
    assert set(calls.steps(load(), 299)) == {1}
    assert calls.steps(load(), 60)[-1] == 0


def test_a_component_that_has_never_had_a_request_becomes_idle_too() -> None:
    """Its speed has not been measured yet."""
    calls = ScaledWhisper(whisper(0, behavior=Behavior(down=Rules(0.0), idle_period=60.0)))
    assert calls.steps(load(speed=None), 200)[-1] == 0


@pytest.mark.parametrize("state", [ComponentState(desired=1, pending=1), ComponentState(desired=1, starting=1)])
def test_a_component_that_starts_is_not_idle(state: ComponentState) -> None:
    """It may pull its models, or wait for a node, for longer than the idle period."""
    calls = ScaledWhisper(whisper(0, behavior=Behavior(down=Rules(0.0), idle_period=60.0)), state)
    assert set(calls.steps(load(speed=None), 600)) == {1}
    calls.state = ComponentState(desired=1, ready=1)
    assert calls.steps(load(speed=None), 59)[-1] == 1
    assert calls.steps(load(speed=None), 5)[-1] == 0


def test_the_last_replica_that_is_wanted_stays_without_a_node() -> None:
    """It tells the cluster's autoscaler what is missing."""
    stuck = ComponentState(desired=1, pending=1, unschedulable=1, scheduler_message="Insufficient nvidia.com/gpu")
    calls = ScaledWhisper(whisper(0), stuck)
    assert set(calls.steps(load(20, held=1.0, requests=0, speed=None), 1300)) == {1}
    assert calls.decisions[-1].whisper
    assert calls.decisions[-1].whisper.limited_by == {"nodes"}


def test_advisory_decides_and_records_but_writes_nothing() -> None:
    calls = ScaledWhisper(whisper(target_backlog=60.0, mode="Advisory"))
    assert calls.steps(load(1795, busy=1), 5) == [4] * 5
    assert not any(decision.write for decision in calls.decisions)
    (change,) = calls.history.changes
    assert (change.before, change.after, change.ok) == (1, 4, False)


def test_advisory_returns_to_the_number_that_runs_after_the_window_and_says_so() -> None:
    calls = ScaledWhisper(whisper(target_backlog=60.0, mode="Advisory"))
    calls.step(load(1795, busy=1))

    assert calls.steps(load(), 299)[-1] == 4
    assert calls.steps(load(), 300)[-1] == 1
    assert [(change.before, change.after) for change in calls.history.changes][0::3] == [(1, 4)]
    assert (calls.history.changes[-1].before, calls.history.changes[-1].after) == (1, 1)


def test_a_new_leader_continues_from_what_was_advised_last() -> None:
    calls = ScaledWhisper(whisper(target_backlog=60.0, mode="Advisory"))
    calls.step(load(1795, busy=1))
    calls.history = History.from_status([change.as_status() for change in calls.history.changes])

    assert calls.step(load(busy=1)) == 4
    assert len(calls.history.changes) == 1


def test_advice_that_was_followed_is_over() -> None:
    calls = ScaledWhisper(whisper(target_backlog=60.0, mode="Advisory"))
    calls.step(load(1795, busy=1))
    calls.write(4)
    calls.step(load(1795, busy=1))
    calls.write(6)

    assert calls.step(load(1795, busy=1)) == 6
    assert len(calls.history.changes) == 1


def test_off_decides_nothing() -> None:
    decision = scale(ScalingSpec("Off", WhisperScaling()), Loads(load(9999)), States(), History(), START)
    assert (decision.whisper, decision.ollama, decision.changes, decision.requeue_after) == (None, None, (), None)


def test_office_hours_raise_the_minimum_and_start_one_startup_time_early() -> None:
    office = Schedule("whisper", 2, time(9), time(17), frozenset(range(5)), "UTC")
    calls = ScaledWhisper(whisper(0, schedules=(office,)), ComponentState(desired=0, startup_seconds=120.0))
    friday_0857 = START + 57 * 60
    calls.now = friday_0857
    assert calls.step(load()) == 0
    assert calls.step(load(), 60) == 2


def test_a_write_that_failed_is_not_counted_by_the_policies() -> None:
    behavior = Behavior(up=Rules(policies=(Policy("Pods", 3, 600.0),)))
    calls = ScaledWhisper(whisper(target_backlog=60.0, behavior=behavior))
    calls.step(load(6000, busy=1))
    (change,) = calls.decisions[0].changes
    calls.history = calls.history.failed(change.id)
    calls.state = ComponentState(desired=1, ready=1)
    assert calls.step(load(6000, busy=1)) == 4
    assert [one.ok for one in calls.history.changes] == [False, True]


def test_ollama_is_scaled_on_requests_in_flight_and_those_that_wait() -> None:
    spec = ScalingSpec(ollama=OllamaScaling(Bounds(1, 8), 4))
    seen = Load(held=0.0, waiting=6.0, working=4.0, seen_at=START)
    decision = scale(spec, Loads(ollama=seen), States(ollama=ComponentState(1, 1)), History(), START)
    assert decision.ollama
    assert decision.ollama.replicas == 3
    assert decision.bottleneck == "ollama"


def test_ollama_starts_from_zero_together_with_whisper() -> None:
    spec = ScalingSpec(whisper=WhisperScaling(Bounds(0, 2)), ollama=OllamaScaling(Bounds(0, 2)))
    loads = Loads(
        load(20, held=1.0, requests=0, speed=None, seen_at=START),
        Load(held=0.0, waiting=0.0, working=0.0, seen_at=START),
    )
    decision = scale(spec, loads, States(), History(), START)
    assert decision.whisper
    assert decision.ollama
    assert (decision.whisper.replicas, decision.ollama.replicas) == (1, 1)


@pytest.mark.parametrize(("coming", "expected", "writes"), [(0.0, 0, 0), (1.0, 1, 1), (None, 1, 1)])
def test_transcriptions_start_ollama_and_keep_it_running_only_if_an_answer_follows(
    coming: float | None, expected: int, writes: int
) -> None:
    """An older bridge does not say whether one does (None)."""
    behavior = Behavior(down=Rules(0.0), idle_period=60.0)
    spec = ScalingSpec(whisper=WhisperScaling(Bounds(1, 1)), ollama=OllamaScaling(Bounds(0, 2), behavior=behavior))
    loads = Loads(load(0, busy=1), Load(held=0.0, waiting=0.0, working=0.0, coming=coming))
    history, desired, changes = History(), 0, 0
    for second in range(600):
        states = States(ComponentState(1, 1), ComponentState(desired, desired))
        decision = scale(spec, _at(loads, START + second), states, history, START + second)
        history, changes = decision.history, changes + len(decision.changes)
        assert decision.ollama
        desired = decision.ollama.replicas
    assert (desired, changes) == (expected, writes)


def test_needs_that_go_up_and_down_move_no_gpu_back_and_forth() -> None:
    """Each pod that starts costs a minute of its GPU."""
    spec = ScalingSpec(
        whisper=WhisperScaling(Bounds(1, 4, 1), target_backlog=60.0),
        ollama=OllamaScaling(Bounds(1, 4, 1), 1),
        gpu_budget=3,
    )
    history, replicas, changes = History(), {"whisper": 1, "ollama": 1}, 0
    for second in range(3600):
        turn = (second // 20) % 2
        loads = Loads(load(1800 if turn else 600, busy=2), Load(held=0.0, waiting=1.0 if turn else 5.0, working=1.0))
        states = States(*(ComponentState(replicas[name], replicas[name]) for name in ("whisper", "ollama")))
        decision = scale(spec, _at(loads, START + second), states, history, START + second)
        history = decision.history
        for change in decision.changes:
            replicas[change.component] = change.after
            changes += 1
        assert sum(replicas.values()) <= 3
    assert changes <= 25


def test_a_gpu_goes_to_the_component_that_needs_it_far_more() -> None:
    spec = ScalingSpec(
        whisper=WhisperScaling(Bounds(1, 4, 1), target_backlog=60.0),
        ollama=OllamaScaling(Bounds(1, 4, 1), 1),
        gpu_budget=4,
    )
    states = States(ComponentState(3, 3), ComponentState(1, 1))
    loads = Loads(load(1200, busy=3), Load(held=0.0, waiting=40.0, working=1.0))
    decision = scale(spec, _at(loads, START), states, History(), START)
    assert [(change.component, change.after) for change in decision.changes] == [("whisper", 2)]


def test_more_requests_than_usual_at_whisper_are_expected_at_ollama() -> None:
    spec = ScalingSpec(whisper=WhisperScaling(Bounds(1, 1)), ollama=OllamaScaling(Bounds(1, 8), 2))
    quiet = Load(held=0.0, waiting=0.0, working=0.0)
    states = States(ComponentState(1, 1), ComponentState(1, 1))
    before = scale(spec, _at(Loads(load(), quiet), START), states, History(), START)
    surge = scale(spec, _at(Loads(load(busy=8), quiet), START + 1), states, before.history, START + 1)
    assert surge.ollama
    assert surge.ollama.replicas == 4


def _at(loads: Loads, now: float) -> Loads:
    return Loads(replace(loads.whisper, seen_at=now), replace(loads.ollama, seen_at=now))


def test_one_component_shrinks_before_the_other_grows_into_its_gpus() -> None:
    spec = ScalingSpec(
        whisper=WhisperScaling(Bounds(0, 4, 1), behavior=Behavior(down=Rules(0.0), idle_period=0.0)),
        ollama=OllamaScaling(Bounds(0, 4, 1), 1),
        gpu_budget=4,
    )
    busy = Load(held=0.0, waiting=4.0, working=1.0)
    states = States(ComponentState(desired=3, ready=3), ComponentState(desired=1, ready=1))
    first = scale(spec, _at(Loads(load(), busy), START), states, History(), START)
    later = START + 61
    first = scale(spec, _at(Loads(load(), busy), later), states, first.history, later)
    assert [(change.component, change.after) for change in first.changes] == [("whisper", 0)]

    terminating = States(ComponentState(desired=0, terminating=3), ComponentState(desired=1, ready=1))
    second = scale(spec, _at(Loads(load(), busy), later + 1), terminating, first.history, later + 1)
    assert not second.changes
    assert second.ollama
    assert "gpuBudget is 4" in second.ollama.limits

    gone = States(ComponentState(desired=0), ComponentState(desired=1, ready=1))
    third = scale(spec, _at(Loads(load(), busy), later + 2), gone, second.history, later + 2)
    assert [(change.component, change.after) for change in third.changes] == [("ollama", 4)]


def test_the_speed_that_was_measured_last_is_kept() -> None:
    calls = ScaledWhisper(whisper(target_backlog=60.0))
    calls.step(load(0))
    calls.step(load(1800, speed=None))
    assert calls.history.whisper.averages
    assert calls.history.whisper.averages.speed == SPEED
    assert calls.state.desired > 1
