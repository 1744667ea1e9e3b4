"""Whether a failed attempt at a pod is followed by another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechbridge.upstreams.failures import RETRIABLE, FailureKind, UpstreamError

if TYPE_CHECKING:
    from collections.abc import Callable

    from speechbridge.upstreams.endpoint import Endpoint
    from speechbridge.wait_budget import WaitBudget

_MAX_FAILED_ATTEMPTS = 3


class Retry:
    """The attempts of one stage of one request.

    A pod that cannot be reached, or is busy, is not the request's fault: other pods are tried while the request's wait
    budget lasts. If a pod dies during the request or returns an invalid response, the request itself may be the cause:
    it is tried three times at most.

    Attributes:
        failed: Pods to avoid. Busy ones are not among them: they only have other work, and will be free again.
        retrying: Whether an attempt has failed, so that the request has already waited for its turn.
    """

    def __init__(self, budget: WaitBudget, clock: Callable[[], float]) -> None:
        self.failed: frozenset[Endpoint] = frozenset()
        self.retrying = False
        self._budget = budget
        self._clock = clock
        self._endpoint: Endpoint | None = None
        self._began = 0.0
        self._failures = 0

    def begin(self, endpoint: Endpoint) -> None:
        """Record the pod of the next attempt."""
        self._endpoint = endpoint
        self._began = self._clock()
        self.retrying = False

    def allowed(self, error: UpstreamError) -> bool:
        """Return whether to try again after this failure; records the pod that failed, so that another is chosen."""
        endpoint, self._endpoint = self._endpoint, None
        self.retrying = endpoint is not None and error.kind in RETRIABLE and self._allowed_at_another(error, endpoint)
        return self.retrying

    def _allowed_at_another(self, error: UpstreamError, endpoint: Endpoint) -> bool:
        if error.stale:
            return True
        if error.kind is FailureKind.BUSY:
            self._budget.spend(self._clock() - self._began)
            return self._budget.queue > 0
        self.failed |= {endpoint}
        if error.kind is FailureKind.CONNECT:
            self._budget.spend(self._clock() - self._began, held=True)
            return self._budget.hold > 0
        self._failures += 1
        return self._failures < _MAX_FAILED_ATTEMPTS
