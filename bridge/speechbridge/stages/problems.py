"""What a client is told when a stage failed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from speechbridge.admission.retry_after import RETRY_AFTER_SPOOL_FULL_S
from speechbridge.errors import PROBLEMS, Problem
from speechbridge.upstreams.failures import FailureKind

if TYPE_CHECKING:
    from speechbridge.upstreams.failures import UpstreamError

StageName = Literal["transcribe", "generate"]

_CODES: dict[StageName, dict[FailureKind, str]] = {
    "transcribe": {
        FailureKind.CONNECT: "transcriber_unavailable",
        FailureKind.BUSY: "overloaded",
        FailureKind.NO_SPACE: "overloaded",
        FailureKind.BAD_AUDIO: "not_audio",
        FailureKind.BAD_ANSWER: "transcriber_bad_answer",
        FailureKind.TIMEOUT: "deadline_exceeded",
    },
    "generate": {
        FailureKind.CONNECT: "generator_unavailable",
        FailureKind.BUSY: "overloaded",
        FailureKind.MODEL_MISSING: "model_missing",
        FailureKind.BAD_REQUEST: "generator_refused",
        FailureKind.OVERFLOW: "context_length_exceeded",
        FailureKind.BAD_ANSWER: "generator_bad_answer",
        FailureKind.TIMEOUT: "deadline_exceeded",
    },
}
_OTHER_KINDS: dict[StageName, str] = {"transcribe": "transcriber_failed", "generate": "generator_failed"}
_KINDS_THAT_PASS = frozenset({FailureKind.BUSY, FailureKind.NO_SPACE})
_KINDS_WITH_CODE = frozenset({FailureKind.BAD_AUDIO, FailureKind.BAD_REQUEST})


def problem_of(stage: StageName, error: UpstreamError, *, busy: int, outage: int) -> Problem:
    """Return the problem to report for an upstream's failure.

    Args:
        stage: The stage that failed.
        error: Its last failure.
        busy: Seconds to report in Retry-After when every pod is busy: until the backlog is done.
        outage: Seconds to report in Retry-After when no pod can be reached.
    """
    code = _CODES[stage].get(error.kind, _OTHER_KINDS[stage])
    if error.kind in _KINDS_WITH_CODE and error.code in PROBLEMS and PROBLEMS[error.code][0] < 500:  # noqa: PLR2004 - a client error
        code = error.code
    detail = f"{PROBLEMS[code][1]}: {error.detail.removesuffix('.')}."
    if error.kind in _KINDS_THAT_PASS:
        seconds = busy if error.kind is FailureKind.BUSY else error.retry_after or RETRY_AFTER_SPOOL_FULL_S
        return Problem(code, f"{detail.removesuffix('.')}; try again in {seconds} s.", retry_after=seconds)
    if error.kind is FailureKind.CONNECT:
        return Problem(code, detail, retry_after=outage)
    return Problem(code, detail, param=error.param if error.kind in _KINDS_WITH_CODE else None)
