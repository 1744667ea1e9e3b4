"""Which failures are retried, and for how long."""

from typing import Any, cast

import pytest

from speechbridge.stages.retry import Retry
from speechbridge.upstreams.endpoint import Endpoint
from speechbridge.upstreams.failures import RETRIABLE, FailureKind, UpstreamError
from speechbridge.wait_budget import WaitBudget

pytestmark = pytest.mark.unit

POD, OTHER = cast("Endpoint", object()), cast("Endpoint", object())


class Attempts:
    """One request's attempts, on a clock that only moves with them."""

    def __init__(self, *, queue: float = 10.0, hold: float = 4.0, pods: tuple[Endpoint, ...] = (POD, OTHER)) -> None:
        self.now = 100.0
        self.budget = WaitBudget(queue, hold)
        self.retry = Retry(self.budget, lambda: self.now, lambda: pods)

    def fail(self, kind: FailureKind, *, after: float = 0.0, pod: Endpoint = POD, **error: Any) -> bool:
        """Fail at a pod after so many seconds; return whether another attempt is allowed."""
        self.retry.begin()
        self.now += after
        self.retry.end(pod)
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

    generation = Retry(attempts.budget, lambda: attempts.now, lambda: (POD, OTHER))
    generation.end(OTHER)

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

    assert attempts.fail(FailureKind.DIED, stale=True)
    assert attempts.retry.failed == frozenset()


def test_a_request_that_kills_pods_is_not_sent_to_all_of_them_over_connections_that_look_stale() -> None:
    attempts = Attempts()

    assert [attempts.fail(FailureKind.DIED, stale=True) for _ in range(4)] == [True, True, True, False]
    assert attempts.retry.failed == {POD}


def test_a_pod_that_dies_before_it_got_the_audio_was_not_killed_by_it() -> None:
    attempts = Attempts(queue=10.0)

    assert all(attempts.fail(FailureKind.DIED, after=1.0, sent=False) for _ in range(9))
    assert not attempts.fail(FailureKind.DIED, after=1.0, sent=False)  # it may wait no longer


def test_a_complete_error_is_an_answer_and_one_other_pod_is_asked() -> None:
    attempts = Attempts()

    assert attempts.fail(FailureKind.ERROR)
    assert attempts.retry.failed == {POD}
    assert not attempts.fail(FailureKind.ERROR, pod=OTHER)


@pytest.mark.parametrize("kind", [FailureKind.ERROR, FailureKind.MODEL_MISSING, FailureKind.MISCONFIGURED])
def test_the_only_pod_is_not_asked_twice_for_the_same_answer(kind: FailureKind) -> None:
    attempts = Attempts(pods=(POD,))

    assert not attempts.fail(kind)


@pytest.mark.parametrize("kind", [FailureKind.MODEL_MISSING, FailureKind.MISCONFIGURED, FailureKind.NO_SPACE])
def test_each_pod_is_asked_once_if_some_lack_the_model_or_disk_space_or_are_another_server(kind: FailureKind) -> None:
    third = cast("Endpoint", object())
    attempts = Attempts(pods=(POD, OTHER, third))

    assert [attempts.fail(kind, pod=pod) for pod in (POD, OTHER, third)] == [True, True, False]


def test_a_pod_that_lacks_the_model_is_not_asked_again_while_the_others_are_down() -> None:
    attempts = Attempts()
    attempts.fail(FailureKind.MODEL_MISSING)

    assert not attempts.fail(FailureKind.MODEL_MISSING)


@pytest.mark.parametrize("kind", sorted(set(FailureKind) - RETRIABLE))
def test_other_failures_are_not_retried(kind: FailureKind) -> None:
    assert kind in {FailureKind.BAD_AUDIO, FailureKind.BAD_REQUEST, FailureKind.OVERFLOW, FailureKind.TIMEOUT}
    assert not Attempts().fail(kind)


def test_without_a_pod_there_is_nothing_to_retry() -> None:
    retry = Attempts().retry

    assert not retry.allowed(UpstreamError(FailureKind.CONNECT, "no pod can be reached"))


def test_a_request_waits_again_only_after_an_attempt_in_vain() -> None:
    attempts = Attempts()

    attempts.fail(FailureKind.BUSY)
    assert attempts.retry.retrying
    attempts.retry.begin()
    assert not attempts.retry.retrying


def test_a_pod_that_gave_no_answer_may_recover_and_one_that_answered_would_answer_the_same() -> None:
    attempts = Attempts()

    attempts.fail(FailureKind.DIED, pod=POD)
    attempts.fail(FailureKind.ERROR, pod=OTHER)

    assert attempts.retry.failed == {POD, OTHER}
    assert attempts.retry.may_recover == {POD}


@pytest.mark.parametrize("kind", [FailureKind.CONNECT, FailureKind.BAD_ANSWER])
def test_a_pod_that_cannot_be_reached_or_is_not_understood_may_recover(kind: FailureKind) -> None:
    attempts = Attempts()

    attempts.fail(kind)

    assert attempts.retry.may_recover == {POD}


def test_a_busy_pod_need_not_recover() -> None:
    attempts = Attempts()

    attempts.fail(FailureKind.BUSY)

    assert attempts.retry.may_recover == frozenset()


BUSY = UpstreamError(FailureKind.BUSY, "no pod is free")


def test_a_wait_in_vain_for_pods_that_all_failed_is_caused_by_the_last_failure() -> None:
    attempts = Attempts()
    attempts.fail(FailureKind.CONNECT, pod=POD)
    attempts.fail(FailureKind.DIED, pod=OTHER)

    assert attempts.retry.cause(BUSY).kind is FailureKind.DIED


def test_a_wait_in_vain_for_a_pod_that_did_not_fail_has_no_other_cause() -> None:
    attempts = Attempts()
    attempts.fail(FailureKind.DIED, pod=POD)

    assert attempts.retry.cause(BUSY) is BUSY


def test_a_failure_of_a_pod_is_its_own_cause() -> None:
    attempts = Attempts(pods=(POD,))
    attempts.fail(FailureKind.CONNECT)
    error = UpstreamError(FailureKind.ERROR, "failed")

    assert attempts.retry.cause(error) is error


def test_busy_pods_none_of_which_has_failed_are_the_cause() -> None:
    attempts = Attempts(pods=())

    assert attempts.retry.cause(BUSY) is BUSY
