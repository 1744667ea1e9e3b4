"""Stabilization windows, policies, the budget, the bottleneck and square-root staffing."""

import pytest

from speechoperator.plan.scaling.behavior import Behavior, Policy, Rules, rate_limited, stabilized
from speechoperator.plan.scaling.bottleneck import bottleneck
from speechoperator.plan.scaling.budget import Want, allocate
from speechoperator.plan.scaling.staffing import square_root

pytestmark = pytest.mark.unit

TWO_OR_HALF = (Policy("Pods", 2, 60.0), Policy("Percent", 50, 60.0))


@pytest.mark.parametrize(
    ("recommended", "current", "ups", "downs", "expected"),
    [
        (2, 5, (), ((0.0, 4), (1.0, 2)), 4),  # down to the highest of the window
        (6, 5, ((0.0, 5), (1.0, 6)), (), 5),  # up to the lowest of the window
        (8, 5, (), (), 8),
        (2, 5, (), (), 2),
    ],
)
def test_windows_take_the_recommendation_that_changes_least(
    recommended: int,
    current: int,
    ups: tuple[tuple[float, int], ...],
    downs: tuple[tuple[float, int], ...],
    expected: int,
) -> None:
    assert stabilized(recommended, current, ups, downs) == expected


@pytest.mark.parametrize(("select", "upwards", "downwards"), [("Max", 15, 5), ("Min", 12, 8), ("Disabled", 10, 10)])
def test_the_selected_policy_applies(select: str, upwards: int, downwards: int) -> None:
    rules = Rules(policies=TWO_OR_HALF, select=select)  # type: ignore[arg-type]  # parametrized
    behavior = Behavior(rules, rules)
    assert rate_limited(40, 10, (), 100.0, behavior) == upwards
    assert rate_limited(0, 10, (), 100.0, behavior) == downwards


def test_changes_within_the_period_count() -> None:
    behavior = Behavior(Rules(policies=(Policy("Pods", 4, 60.0),)))
    assert rate_limited(40, 10, ((50.0, 3),), 100.0, behavior) == 11
    assert rate_limited(40, 10, ((50.0, 6),), 100.0, behavior) == 10
    assert rate_limited(40, 10, ((30.0, 6),), 100.0, behavior) == 14


def want(
    replicas: int, current: int, *, need: float | None = None, minimum: int = 0, occupied: int | None = None
) -> Want:
    return Want(replicas, minimum, replicas if need is None else need, current, occupied or current, 1)


def test_what_fits_is_granted() -> None:
    assert allocate((want(2, 1), want(1, 1)), 4) == (2, 1)


def test_gpus_are_shared_by_need_after_the_minimums() -> None:
    assert allocate((want(6, 0, need=6.0), want(3, 0, need=3.0)), 3) == (2, 1)
    assert allocate((want(6, 0, need=6.0), want(3, 0, need=0.1, minimum=2)), 3) == (1, 2)


def test_a_component_grows_only_into_gpus_that_are_free_now() -> None:
    assert allocate((want(0, 3), want(3, 1)), 4) == (0, 1)
    assert allocate((want(0, 0, occupied=2), want(3, 1)), 4) == (0, 2)


def test_a_budget_that_was_reduced_is_enforced() -> None:
    assert allocate((want(3, 3, need=3.0), want(1, 1, need=1.0)), 2) == (1, 1)


def test_neither_component_is_starved_by_the_other() -> None:
    assert allocate((want(4, 4, need=40.0), want(1, 0, need=0.1)), 4) == (3, 0), "until a GPU is free"
    assert allocate((want(4, 3, need=40.0), want(1, 0, need=0.1)), 4) == (3, 1)


def test_the_bottleneck_needs_most_per_ready_replica() -> None:
    assert bottleneck({"whisper": 4.0, "ollama": 3.0}, {"whisper": 3, "ollama": 1}) == "ollama"
    assert bottleneck({"whisper": 1.0, "ollama": 0.5}, {"whisper": 1, "ollama": 1}) is None
    assert bottleneck({"whisper": 0.2, "ollama": None}, {"whisper": 0, "ollama": 0}) == "whisper"


def test_small_loads_get_relatively_more_servers_than_large_ones() -> None:
    assert square_root(0.0) == 0.0
    assert square_root(1.0) == pytest.approx(2.0)
    assert square_root(100.0) == pytest.approx(110.0)
