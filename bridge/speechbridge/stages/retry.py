"""Whether a failed attempt at a pod is followed by another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechbridge.upstreams.failures import RETRIABLE, FailureKind, UpstreamError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from speechbridge.upstreams.endpoint import Endpoint
    from speechbridge.wait_budget import WaitBudget

_MAX_FAILED_ATTEMPTS = 3
_MAX_ERRORS = 2
_ANSWERS = frozenset({FailureKind.ERROR, FailureKind.NO_SPACE, FailureKind.MISCONFIGURED, FailureKind.MODEL_MISSING})
"""Kinds of complete answers, which another pod may give differently, but not the same one."""


class Retry:
    """The attempts of one stage of one request.

    A pod that cannot be reached, or is busy, is not the request's fault: other pods are tried while the request's wait
    budget lasts. The same holds as long as only the head of the request was sent. If a pod dies during the request or
    returns an invalid response, the request itself may be the cause: it is tried three times at most. A complete error
    is tried once at another pod, since most pods would answer the same. Every other pod is tried if one rejects the
    bridge, does not have the model, or has no disk space.

    Args:
        budget: How long the request may still wait.
        clock: Seconds of a monotonic clock.
        pods: Returns the pods of the upstream.

    Attributes:
        failed: Pods to avoid. Busy ones are not among them: they only have other work, and will be free again.
        may_recover: Those of them that gave no answer, such as a pod that was restarted.
        retrying: Whether an attempt has failed, so that the request has already waited for its turn.
    """

    def __init__(
        self, budget: WaitBudget, clock: Callable[[], float], pods: Callable[[], Collection[Endpoint]]
    ) -> None:
        self.failed: frozenset[Endpoint] = frozenset()
        self.may_recover: frozenset[Endpoint] = frozenset()
        self.retrying = False
        self._budget = budget
        self._clock = clock
        self._pods = pods
        self._endpoint: Endpoint | None = None
        self._began = 0.0
        self._failures = 0
        self._errors = 0
        self._resent = False
        self._failure: UpstreamError | None = None

    def begin(self) -> None:
        """Record that the next attempt begins."""
        self._began = self._clock()
        self.retrying = False

    def end(self, endpoint: Endpoint) -> None:
        """Record at which pod the attempt has ended."""
        self._endpoint = endpoint

    def allowed(self, error: UpstreamError) -> bool:
        """Return whether to try again after this failure; records the pod that failed, so that another is chosen."""
        endpoint, self._endpoint = self._endpoint, None
        self.retrying = endpoint is not None and error.kind in RETRIABLE and self._allowed_at_another(error, endpoint)
        return self.retrying

    def cause(self, error: UpstreamError) -> UpstreamError:
        """Return the failure to report for the one that ended the request.

        If all pods have failed it, and it waited in vain for one to recover, no pod was busy with other requests.
        """
        waited = error.kind is FailureKind.BUSY and not set(self._pods()) - self.failed
        return self._failure if waited and self._failure else error

    def _allowed_at_another(self, error: UpstreamError, endpoint: Endpoint) -> bool:
        if error.stale and not self._resent:
            self._resent = True  # once: a pod that this request has killed looks the same
            return True
        if error.kind is FailureKind.BUSY:
            self._budget.spend(self._clock() - self._began)
            return self._budget.queue > 0
        tried = endpoint in self.failed
        self.failed |= {endpoint}
        self._failure = error
        if error.kind not in _ANSWERS:
            self.may_recover |= {endpoint}
        if error.kind is FailureKind.CONNECT:
            self._budget.spend(self._clock() - self._began, held=True)
            return self._budget.hold > 0
        if not error.sent:
            self._budget.spend(self._clock() - self._began)
            return self._budget.queue > 0
        if error.kind in _ANSWERS:
            self._errors += error.kind is FailureKind.ERROR
            return self._errors < _MAX_ERRORS and not tried and bool(set(self._pods()) - self.failed)
        self._failures += 1
        return self._failures < _MAX_FAILED_ATTEMPTS
