"""Properties of the scaler, for any load, state and order of events."""

import itertools
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.scaled_component import START, ScaledWhisper, load, whisper
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

pytestmark = pytest.mark.unit

thorough = settings(max_examples=40)

amounts = st.one_of(st.none(), st.floats(0, 1e5))
loads = st.builds(
    Load,
    held=amounts,
    waiting=amounts,
    working=amounts,
    busy=amounts,
    audio_seconds_waiting=amounts,
    audio_seconds_working=amounts,
    speed=st.one_of(st.none(), st.floats(0.1, 500)),
)
known_loads = st.builds(
    lambda audio, busy, requests: load(audio, busy=busy, requests=requests),
    st.floats(0, 1e4),
    st.integers(0, 8),
    st.integers(0, 100),
)
counts = st.integers(0, 6)
states = st.builds(
    ComponentState,
    desired=counts,
    ready=counts,
    starting=counts,
    pending=counts,
    unschedulable=counts,
    terminating=counts,
    startup_seconds=st.one_of(st.none(), st.floats(0, 3600)),
)
policies = st.lists(
    st.builds(Policy, st.sampled_from(["Pods", "Percent"]), st.integers(1, 200), st.floats(1, 600)), max_size=2
).map(tuple)
rules = st.builds(Rules, st.floats(0, 600), policies, st.sampled_from(["Max", "Min", "Disabled"]))
behaviors = st.builds(Behavior, rules, rules)
bounds = st.tuples(st.integers(0, 4), st.integers(0, 6), st.integers(0, 2)).map(
    lambda drawn: Bounds(drawn[0], max(1, drawn[0] + drawn[1]), drawn[2])
)
moments = st.lists(st.tuples(st.floats(-5000, 5000), loads, loads, states, states), min_size=1, max_size=6)


@thorough
@given(moments, bounds, bounds, behaviors, st.one_of(st.none(), st.integers(0, 8)))
def test_replicas_are_within_bounds_and_budget_whatever_happens(
    moments: list[tuple[float, Load, Load, ComponentState, ComponentState]],
    of_whisper: Bounds,
    of_ollama: Bounds,
    behavior: Behavior,
    budget: int | None,
) -> None:
    spec = ScalingSpec(
        whisper=WhisperScaling(of_whisper, behavior=behavior),
        ollama=OllamaScaling(of_ollama, behavior=behavior),
        gpu_budget=budget,
    )
    history, now = History(), START
    for jump, first, second, whisper_state, ollama_state in moments:
        now += jump
        seen = Loads(replace(first, seen_at=now), replace(second, seen_at=now))
        decision = scale(spec, seen, States(whisper_state, ollama_state), history, now)
        history = decision.history
        assert decision.whisper
        assert decision.ollama
        for decided, limits in ((decision.whisper, of_whisper), (decision.ollama, of_ollama)):
            assert 0 <= decided.replicas <= limits.maximum
            assert decided.reason
            if budget is None:
                assert decided.replicas >= limits.minimum
        if budget is not None:
            used = (decision.whisper.replicas * of_whisper.gpus, decision.ollama.replicas * of_ollama.gpus)
            assert sum(used) <= budget
        assert [change.after - change.before for change in decision.changes] == sorted(
            change.after - change.before for change in decision.changes
        )
        assert len(history.changes) <= 20


@thorough
@given(states, states, loads, loads, st.integers(1, 3), st.integers(0, 3), st.integers(0, 12))
def test_the_gpus_in_use_never_grow_beyond_the_budget_between_two_writes(
    whisper_state: ComponentState,
    ollama_state: ComponentState,
    first: Load,
    second: Load,
    whisper_gpus: int,
    ollama_gpus: int,
    budget: int,
) -> None:
    spec = ScalingSpec(
        whisper=WhisperScaling(Bounds(0, 6, whisper_gpus), behavior=Behavior(down=Rules(0.0))),
        ollama=OllamaScaling(Bounds(0, 6, ollama_gpus), behavior=Behavior(down=Rules(0.0))),
        gpu_budget=budget,
    )
    seen = Loads(replace(first, seen_at=START), replace(second, seen_at=START))
    decision = scale(spec, seen, States(whisper_state, ollama_state), History(), START)
    gpus = {"whisper": whisper_gpus, "ollama": ollama_gpus}
    present = {"whisper": whisper_state, "ollama": ollama_state}
    in_use = sum(present[name].occupied * gpus[name] for name in gpus)
    for change in decision.changes:  # after each write, before any pod has gone
        present[change.component] = replace(present[change.component], desired=change.after)
        now_in_use = sum(
            max(state.occupied, before.occupied if name != change.component else state.occupied) * gpus[name]
            for (name, state), before in zip(present.items(), (whisper_state, ollama_state), strict=True)
        )
        if change.after > change.before:
            assert now_in_use <= max(budget, in_use) or gpus[change.component] == 0


@thorough
@given(behaviors, st.lists(st.tuples(st.floats(0, 900), st.integers(0, 6)), max_size=4))
def test_whatever_the_policies_the_first_request_wakes_a_component(
    behavior: Behavior, before: list[tuple[float, int]]
) -> None:
    spec = ScalingSpec(whisper=WhisperScaling(Bounds(0, 6), behavior=behavior))
    history, now, held = History(), START, load(60.0, requests=1)
    for seconds, replicas in before:
        now += seconds
        state = ComponentState(desired=replicas, ready=replicas)
        history = scale(spec, Loads(replace(held, seen_at=now)), States(state), history, now).history

    decision = scale(spec, Loads(replace(held, seen_at=now)), States(ComponentState()), history, now)

    assert decision.whisper
    assert decision.whisper.replicas >= 1


@thorough
@given(known_loads, states.filter(lambda state: state.desired > 0))
def test_a_constant_load_does_not_flap(seen: Load, state: ComponentState) -> None:
    calls = ScaledWhisper(state=replace(state, starting=0, pending=0, unschedulable=0, ready=state.desired))
    replicas = []
    for _ in range(40):
        replicas.append(calls.step(seen, 30.0))
        calls.pods_become_ready()
    directions = [other > one for one, other in itertools.pairwise(replicas) if one != other]
    assert sum(1 for one, other in itertools.pairwise(directions) if one != other) <= 1
    assert len(set(replicas[20:])) == 1


@thorough
@given(known_loads, st.floats(0, 1e4), st.integers(0, 50), st.integers(0, 4), states, st.lists(known_loads, max_size=4))
def test_more_load_never_means_fewer_replicas(
    seen: Load, audio: float, requests: int, busy: int, state: ComponentState, before: list[Load]
) -> None:
    calls = ScaledWhisper(whisper(0, 20), state)
    for earlier in before:
        calls.step(earlier)
    more = replace(
        seen,
        audio_seconds_waiting=(seen.audio_seconds_waiting or 0.0) + audio,
        waiting=(seen.waiting or 0.0) + requests,
        working=(seen.working or 0.0) + busy,
        busy=(seen.busy or 0.0) + busy,
    )
    now = calls.now + 1
    less_or_more = [
        scale(calls.spec, Loads(replace(one, seen_at=now)), States(calls.state), calls.history, now).whisper
        for one in (seen, more)
    ]
    assert less_or_more[0]
    assert less_or_more[1]
    assert less_or_more[0].replicas <= less_or_more[1].replicas


@thorough
@given(known_loads, st.integers(1, 120))
def test_no_cascade_while_pods_start(seen: Load, seconds: int) -> None:
    """With a load that does not change, what was ordered at first is not exceeded before the pods are ready."""
    calls = ScaledWhisper(whisper(1, 1000))
    settled = replace(calls.spec.whisper, behavior=Behavior()) if calls.spec.whisper else None
    calls.spec = replace(calls.spec, whisper=settled)
    first = calls.step(seen)
    assert max(calls.steps(seen, seconds)) <= first


@thorough
@given(st.one_of(st.floats(-1e8, -1.1), st.floats(60, 1e8)), known_loads)
def test_a_jump_of_the_clock_changes_nothing(jump: float, seen: Load) -> None:
    """Back by just the second between two calls is none: the later call then takes place when the earlier one did."""
    steady, jumping = ScaledWhisper(), ScaledWhisper()
    for calls in (steady, jumping):
        calls.step(load(3000, busy=1))
        calls.pods_become_ready()
        calls.steps(seen, 30)
    jumping.now += jump
    assert jumping.steps(seen, 30) == steady.steps(seen, 30)


@thorough
@given(states, st.lists(known_loads, min_size=1, max_size=4))
def test_unknown_loads_keep_the_replicas(state: ComponentState, before: list[Load]) -> None:
    calls = ScaledWhisper(whisper(0, 20), state)
    for earlier in before:
        calls.step(earlier)
    calls.state = replace(calls.state, unschedulable=0)
    calls.history = replace(calls.history, whisper=replace(calls.history.whisper, cap=None))
    kept = calls.state.desired
    assert {calls.step(Load(), fresh=False) for _ in range(20)} == {kept}


@thorough
@given(st.lists(st.tuples(st.floats(0.1, 90), known_loads), min_size=1, max_size=30), behaviors, st.integers(0, 1))
def test_advisory_records_what_auto_would_have_written(
    moments: list[tuple[float, Load]], behavior: Behavior, minimum: int
) -> None:
    auto, advisory = (ScaledWhisper(whisper(minimum, mode=mode, behavior=behavior)) for mode in ("Auto", "Advisory"))
    for seconds, seen in moments:
        assert advisory.step(seen, seconds) == auto.step(seen, seconds)
        auto.state = replace(advisory.state, desired=auto.state.desired)  # the pods are those of the number that runs

    assert [(one.time, one.after) for one in advisory.history.changes] == [
        (one.time, one.after) for one in auto.history.changes
    ]
    assert {one.before for one in advisory.history.changes} <= {1}
    assert not any(one.ok for one in advisory.history.changes)


@thorough
@given(st.lists(known_loads, min_size=1, max_size=8))
def test_equal_arguments_give_equal_decisions(seen: list[Load]) -> None:
    one, other = ScaledWhisper(), ScaledWhisper()
    assert [one.step(each) for each in seen] == [other.step(each) for each in seen]
    assert one.decisions == other.decisions
