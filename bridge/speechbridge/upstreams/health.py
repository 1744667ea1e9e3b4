"""Whether a pod can be expected to answer: what this bridge's requests to it have shown."""

from __future__ import annotations

from speechbridge.upstreams.choose import cooldown_after
from speechbridge.upstreams.failures import FailureKind

_POD_FAILURES = frozenset({
    FailureKind.NO_SPACE,
    FailureKind.DIED,
    FailureKind.BAD_ANSWER,
    FailureKind.ERROR,
    FailureKind.MISCONFIGURED,
})  # fmt: skip
_NO_CONTACT = frozenset({FailureKind.CONNECT, FailureKind.TIMEOUT})
_FAILURES_IN_A_ROW = 3
_LAST_IN_LINE_S = 10.0
_MODEL_MISSING_S = 10.0


class Health:
    """What is known about a pod's ability to answer; times are the loop's, in seconds.

    Attributes:
        ejected_until: Until when it gets no requests.
        down: Whether the last attempt to connect failed: it gets no requests until one succeeds.
        contact_at: When it was last seen alive, by a connection or the end of a request; -inf if never.
        busy: Whether it rejected the last request as busy, because other bridges use it too. One request at a time
            then tries whether it still is.
        cold: Whether it may not have loaded its model yet, so that other pods should get a request first.
    """

    def __init__(self) -> None:
        self.ejected_until = 0.0
        self.down = False
        self.contact_at = float("-inf")
        self.busy = False
        self.cold = False
        self._failures = 0
        self._failed_at = 0.0
        self._missing: dict[str, float] = {}

    def succeeded(self, model: str, now: float) -> None:
        """Take account of a request without a failure."""
        if not self.down:  # while it is down, requests that end now began before
            self.contact_at = now
        if self.busy:
            self.busy = False
            self.ejected_until = 0.0  # it has a free slot again
        self.cold = False
        self._failures = 0
        self._missing.pop(model, None)

    def record(self, failure: FailureKind, model: str, now: float, jitter: float) -> None:
        """Take account of the failure of a request."""
        if not self.down and failure not in _NO_CONTACT:
            self.contact_at = now
        cooldown = cooldown_after(failure, jitter)
        if cooldown:
            self.down = failure is FailureKind.CONNECT
            self.ejected_until = now + cooldown
        elif self.busy:
            self.ejected_until = 0.0  # it has a free slot again
        self.busy = failure is FailureKind.BUSY
        if failure in _POD_FAILURES:
            self._failures += 1
            self._failed_at = now
        elif failure is FailureKind.MODEL_MISSING:
            self._missing = {name: until for name, until in self._missing.items() if until > now}
            self._missing[model] = now + _MODEL_MISSING_S

    def connected(self, now: float) -> bool:
        """Take account of a new connection; return whether it is the first, or the first after the pod was down."""
        first = self.down or self.contact_at == float("-inf")
        self.contact_at = now
        if self.down:
            self.down = False
            self.ejected_until = 0.0
        return first

    def last_in_line(self, model: str, now: float) -> bool:
        """Return whether other pods should get a request first: it is cold, lacks the model, or its answers failed."""
        failing = self._failures >= _FAILURES_IN_A_ROW and now - self._failed_at < _LAST_IN_LINE_S
        return self.cold or failing or self._missing.get(model, 0.0) > now
