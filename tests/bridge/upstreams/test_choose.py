"""How long a pod that failed cools down."""

import pytest

from speechbridge.upstreams.choose import cooldown_after
from speechbridge.upstreams.failures import FailureKind

pytestmark = pytest.mark.unit


@pytest.fixture(autouse=True)
def short_cooldown() -> None:
    """The cooldowns of production here."""


@pytest.mark.parametrize("jitter", [0.0, 0.5, 1.0])
def test_a_busy_pod_is_asked_again_within_a_quarter_of_a_second(jitter: float) -> None:
    assert 0.0 < cooldown_after(FailureKind.BUSY, jitter) <= 0.25


def test_two_bridges_do_not_ask_a_busy_pod_in_step() -> None:
    assert cooldown_after(FailureKind.BUSY, 0.1) < cooldown_after(FailureKind.BUSY, 0.9)


@pytest.mark.parametrize("kind", [FailureKind.CONNECT, FailureKind.DIED])
def test_a_pod_that_broke_gets_a_second_to_recover(kind: FailureKind) -> None:
    assert cooldown_after(kind, 0.5) == 1.0


@pytest.mark.parametrize("kind", [None, FailureKind.BAD_AUDIO, FailureKind.BAD_ANSWER, FailureKind.MODEL_MISSING])
def test_what_says_nothing_about_the_pods_load_lets_it_go_on(kind: FailureKind | None) -> None:
    assert cooldown_after(kind, 0.5) == 0.0
