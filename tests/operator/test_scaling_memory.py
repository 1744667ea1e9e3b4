"""What the scaler remembers from one reconcile to the next."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from speechoperator.kube.objects import Key
from speechoperator.plan.scaling.history import Change, History
from speechoperator.scaling_memory import ScalingMemory

pytestmark = pytest.mark.unit

KEY, NOW = Key("team", "calls"), datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def change(time: float = 1.0, after: int = 3) -> Change:
    return Change.decided("whisper", 1, after, "much audio", time)


def test_the_first_history_is_that_of_the_status_and_the_next_ones_are_those_of_the_plans() -> None:
    memory = ScalingMemory()
    status = {"scalingHistory": [change().as_status()]}
    assert memory.of(KEY, status, NOW).changes[0].after == 3
    later = History(changes=(change(2.0),))
    assert memory.keep(KEY, later, [], "Auto")
    assert memory.of(KEY, status, NOW) == later


def test_a_change_that_was_not_written_is_not_ok() -> None:
    memory = ScalingMemory()
    memory.of(KEY, {}, NOW)
    failed = change()
    assert memory.keep(KEY, History(changes=(failed,)), [failed.id], "Auto")
    assert memory.of(KEY, {}, NOW).changes == (replace(failed, ok=False),)
    assert memory.of(KEY, {}, NOW).last("whisper") is None


def test_a_change_that_fails_again_and_again_is_listed_once() -> None:
    memory = ScalingMemory()
    memory.of(KEY, {}, NOW)
    for time in range(5):
        again = change(float(time))
        history = memory.of(KEY, {}, NOW).add([again])
        assert memory.keep(KEY, history, [again.id], "Auto") is (time == 0), "only the first one is new"
    assert len(memory.of(KEY, {}, NOW).changes) == 1


def test_new_decisions_are_counted_by_component_direction_and_mode() -> None:
    memory = ScalingMemory()
    restored = change(1.0)
    memory.of(KEY, {"scalingHistory": [restored.as_status()]}, NOW)
    up, down = change(2.0, 4), change(3.0, 0)
    memory.keep(KEY, History(changes=(restored, up)), [], "Auto")
    memory.keep(KEY, History(changes=(restored, up, down)), [], "Advisory")
    memory.keep(KEY, History(changes=(restored, up, down)), [], "Advisory")

    decisions = memory.decisions[KEY]
    assert +decisions == {("whisper", "up", "Auto"): 1, ("whisper", "down", "Advisory"): 1}
    assert decisions.keys() >= {("ollama", "up", "Auto")}, "0 before the first one, so that it is an increase"
    memory.forget(KEY)
    assert memory.decisions == {}


def test_the_direction_of_advice_is_that_from_the_advice_before() -> None:
    memory = ScalingMemory()
    memory.of(KEY, {}, NOW)
    more, again, fewer, none = (change(float(time), after) for time, after in enumerate((4, 3, 2, 1)))
    memory.keep(KEY, History(changes=(more, again, fewer, none)), [], "Advisory")

    assert +memory.decisions[KEY] == {("whisper", "up", "Advisory"): 1, ("whisper", "down", "Advisory"): 3}


def test_a_plan_that_decides_nothing_changes_nothing() -> None:
    memory = ScalingMemory()
    before = memory.of(KEY, {}, NOW)
    assert not memory.keep(KEY, None, [], "Auto")
    assert memory.of(KEY, {}, NOW) == before


def test_what_is_forgotten_comes_from_the_status() -> None:
    memory = ScalingMemory()
    for forget in (lambda: memory.forget(KEY), memory.clear):
        memory.of(KEY, {}, NOW)
        memory.keep(KEY, History(changes=(change(),)), [], "Auto")
        forget()
        assert memory.of(KEY, {}, NOW) == History()
