"""The identity of a request across services, and the times at which its stages began and ended."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from random import getrandbits
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_REQUEST_ID = re.compile(r"[A-Za-z0-9._~:/+=-]{1,128}")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


def request_id_of(headers: Mapping[str, str]) -> str:
    """Return the client's X-Request-ID if it is safe to log and forward, else a new id."""
    given = headers.get("X-Request-ID", "")
    return given if given and _REQUEST_ID.fullmatch(given) else f"{getrandbits(64):016x}"


def upstream_headers(headers: Mapping[str, str], request_id: str) -> str:
    """Return the header lines that are forwarded to the upstreams: request id and W3C trace context."""
    lines = f"X-Request-ID: {request_id}\r\n"
    traceparent = headers.get("traceparent", "")
    if _TRACEPARENT.fullmatch(traceparent):
        lines += f"traceparent: {traceparent}\r\n"
    return lines


def trace_id_of(headers: Mapping[str, str]) -> str:
    """Return the id of the client's W3C trace if the client samples it, else ""."""
    traceparent = headers.get("traceparent")
    if traceparent is None or not _TRACEPARENT.fullmatch(traceparent):
        return ""
    _, trace_id, _, flags = traceparent.split("-")
    return trace_id if int(flags, 16) & 1 else ""


@dataclass
class Timeline:
    """When the stages of a request began and ended, in seconds of a monotonic clock; None if not reached.

    Attributes:
        audio_seconds: Duration of its recordings that were transcribed.
    """

    clock: Callable[[], float]
    trace_id: str = ""
    started: float = field(init=False)
    queued: float = 0.0
    transcribing: float | None = None
    first_segment: float | None = None
    transcribed: float | None = None
    first_token: float | None = None
    generated: float | None = None
    audio_seconds: float = 0.0

    def __post_init__(self) -> None:
        self.started = self.clock()

    def milliseconds(self) -> dict[str, int | None]:
        """Return the member `timings` of an answer."""
        return {
            "queue_ms": round(self.queued * 1000),
            "transcribe_ms": _span(self.transcribing, self.transcribed),
            "first_token_ms": _span(self.started, self.first_token),
            "generate_ms": _span(self.transcribed, self.generated),
            "total_ms": _span(self.started, self.clock()),
        }


def _span(begin: float | None, end: float | None) -> int | None:
    return None if begin is None or end is None else round((end - begin) * 1000)
