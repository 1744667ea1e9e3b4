"""When a failed call to a pod is tried again, and what the caller is told when it is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from speechbridge.errors import PROBLEMS, Problem
from speechbridge.upstreams.failures import RETRIED_ELSEWHERE, FailureKind, UpstreamError

if TYPE_CHECKING:
    from collections.abc import Callable

    from speechbridge.upstreams.endpoint import Endpoint

Stage = Literal["transcribe", "generate"]

_MOST_FAILED_ANSWERS = 3
_RETRY_AFTER_OUTAGE = 5
_CODES: dict[Stage, dict[FailureKind, str]] = {
    "transcribe": {
        FailureKind.CONNECT: "transcriber_unavailable",
        FailureKind.BUSY: "overloaded",
        FailureKind.BAD_AUDIO: "not_audio",
        FailureKind.BAD_ANSWER: "transcriber_bad_answer",
        FailureKind.TIMEOUT: "deadline_exceeded",
    },
    "generate": {
        FailureKind.CONNECT: "generator_unavailable",
        FailureKind.BUSY: "overloaded",
        FailureKind.MODEL_MISSING: "model_missing",
        FailureKind.BAD_REQUEST: "generator_refused",
        FailureKind.OVERFLOW: "context_overflow",
        FailureKind.BAD_ANSWER: "generator_bad_answer",
        FailureKind.TIMEOUT: "deadline_exceeded",
    },
}
_OTHERWISE: dict[Stage, str] = {"transcribe": "transcriber_failed", "generate": "generator_failed"}


class Attempts:
    """The tries of one stage of one request.

    A pod that cannot be reached, or is busy, is no fault of the request: it goes on to other pods for as long as the
    patience for that lasts. A pod that dies over it, or answers nonsense, may have died of it: three times at most.

    Args:
        hold: Seconds to go on while pods cannot be reached.
        patience: Seconds to go on while pods are busy.

    Attributes:
        failed: Pods to avoid. A busy one is not among them: it has only had other work, and will be free again.
        retrying: Whether the request has had a pod in vain, so that it has waited for its turn already.
    """

    def __init__(self, hold: float, patience: float, clock: Callable[[], float]) -> None:
        self.failed: frozenset[Endpoint] = frozenset()
        self.retrying = False
        self._endpoint: Endpoint | None = None
        self._patience = {FailureKind.CONNECT: hold, FailureKind.BUSY: patience}
        self._since: dict[FailureKind, float] = {}
        self._failures = 0
        self._clock = clock

    def lent(self, endpoint: Endpoint) -> None:
        """Note the pod at which the next try happens."""
        self._endpoint = endpoint
        self.retrying = False

    def again(self, error: UpstreamError) -> bool:
        """Tell whether to try once more after this failure; remembers a pod that failed, so that another is taken."""
        endpoint, self._endpoint = self._endpoint, None
        self.retrying = endpoint is not None and error.kind in RETRIED_ELSEWHERE and self._allowed(error, endpoint)
        return self.retrying

    def _allowed(self, error: UpstreamError, endpoint: Endpoint) -> bool:
        if error.stale:
            return True
        if error.kind is not FailureKind.BUSY:
            self.failed |= {endpoint}
        if error.kind in self._patience:
            now = self._clock()
            return now - self._since.setdefault(error.kind, now) < self._patience[error.kind]
        self._failures += 1
        return self._failures < _MOST_FAILED_ANSWERS


def problem_of(stage: Stage, error: UpstreamError, retry_after: int) -> Problem:
    """Say to the caller what an upstream's failure means.

    Args:
        retry_after: Seconds that the backlog needs, told when every pod is busy.
    """
    code = _CODES[stage].get(error.kind, _OTHERWISE[stage])
    told = error.kind in {FailureKind.BAD_AUDIO, FailureKind.BAD_REQUEST}
    if told and error.code in PROBLEMS and PROBLEMS[error.code][0] < 500:  # noqa: PLR2004 - a client error
        code = error.code
    detail = f"{PROBLEMS[code][1]}: {error.detail}."
    if error.kind is FailureKind.BUSY:
        return Problem(code, f"{detail.removesuffix('.')}; try again in {retry_after} s.", retry_after=retry_after)
    if error.kind is FailureKind.CONNECT:
        return Problem(code, detail, retry_after=_RETRY_AFTER_OUTAGE)
    return Problem(code, detail)
