"""Which failures are retried, and for how long."""

from typing import Any, cast

import pytest

from speechbridge.stages.retry import Retry
from speechbridge.upstreams.endpoint import Endpoint
from speechbridge.upstreams.failures import FailureKind, UpstreamError
from speechbridge.wait_budget import WaitBudget

pytestmark = pytest.mark.unit

POD, OTHER = cast("Endpoint", object()), cast("Endpoint", object())


class Attempts:
    """One request's attempts, on a clock that only moves with them."""

    def __init__(self, *, queue: float = 10.0, hold: float = 4.0) -> None:
        self.now = 100.0
        self.budget = WaitBudget(queue, hold)
        self.retry = Retry(self.budget, lambda: self.now)

    def fail(self, kind: FailureKind, *, after: float = 0.0, pod: Endpoint = POD, **error: Any) -> bool:
        """Fail at a pod after so many seconds; return whether another attempt is allowed."""
        self.retry.begin(pod)
        self.now += after
        return self.retry.allowed(UpstreamError(kind, "failed", **error))


def test_attempts_at_busy_pods_share_the_queue_timeout_with_all_other_waits() -> None:
    attempts = Attempts(queue=10.0)
    attempts.budget.spend(7.0)  # in the queue, say

    assert attempts.fail(FailureKind.BUSY, after=1.0)
    assert attempts.fail(FailureKind.BUSY, after=1.0)
    assert not attempts.fail(FailureKind.BUSY, after=1.0)


def test_attempts_at_unreachable_pods_share_the_hold_timeout() -> None:
    attempts = Attempts(hold=4.0)

    assert attempts.fail(FailureKind.CONNECT, after=3.0)
    assert not attempts.fail(FailureKind.CONNECT, after=3.0, pod=OTHER)
    assert attempts.retry.failed == {POD, OTHER}


def test_both_stages_of_a_request_share_its_budget() -> None:
    attempts = Attempts(hold=4.0)
    attempts.fail(FailureKind.CONNECT, after=5.0)

    generation = Retry(attempts.budget, lambda: attempts.now)
    generation.begin(OTHER)

    assert not generation.allowed(UpstreamError(FailureKind.CONNECT, "failed"))


def test_work_costs_no_budget() -> None:
    attempts = Attempts()

    assert attempts.fail(FailureKind.DIED, after=1000.0)

    assert attempts.budget == WaitBudget(10.0, 4.0)


def test_a_busy_pod_is_not_avoided_and_a_failed_one_is() -> None:
    attempts = Attempts()

    attempts.fail(FailureKind.BUSY)
    assert attempts.retry.failed == frozenset()
    attempts.fail(FailureKind.DIED)
    assert attempts.retry.failed == {POD}


@pytest.mark.parametrize("kind", [FailureKind.DIED, FailureKind.BAD_ANSWER])
def test_a_request_that_may_be_at_fault_is_tried_three_times(kind: FailureKind) -> None:
    attempts = Attempts()

    assert [attempts.fail(kind) for _ in range(3)] == [True, True, False]


def test_a_stale_connection_is_no_failure_of_its_pod() -> None:
    attempts = Attempts()

    assert all(attempts.fail(FailureKind.DIED, stale=True) for _ in range(10))
    assert attempts.retry.failed == frozenset()


@pytest.mark.parametrize(
    "kind", sorted(set(FailureKind) - {FailureKind.CONNECT, FailureKind.BUSY, FailureKind.DIED, FailureKind.BAD_ANSWER})
)
def test_other_failures_are_not_retried(kind: FailureKind) -> None:
    assert not Attempts().fail(kind)


def test_without_a_pod_there_is_nothing_to_retry() -> None:
    retry = Attempts().retry

    assert not retry.allowed(UpstreamError(FailureKind.CONNECT, "no pod can be reached"))


def test_a_request_waits_again_only_after_an_attempt_in_vain() -> None:
    attempts = Attempts()

    attempts.fail(FailureKind.BUSY)
    assert attempts.retry.retrying
    attempts.retry.begin(POD)
    assert not attempts.retry.retrying
