"""What the HTTP status of a Whisper pod means."""

from __future__ import annotations

import re
from http import HTTPStatus

from speechbridge.errors import PROBLEMS
from speechbridge.upstreams.failures import MISCONFIGURED_STATUSES, FailureKind, UpstreamError, server_error
from speechbridge.upstreams.responses import error_param, error_text

AUDIO_CODES = frozenset({"not_audio", "no_audio_stream", "empty_file", "audio_too_long", "upload_too_large"})
"""Error codes of `speechwhisper` that concern the recording."""
OPTION_CODES = frozenset({"bad_field", "unknown_language", "unsupported_task", "transcriber_refused"})
"""Those that concern an option of the caller. All others concern what the bridge sent, or how: the model is the one in
WHISPER_MODEL, and `upload_stalled` is the network between bridge and pod."""

_NO_SPACE_CODE = "no_space"
"""Its 503 once the pod has received the audio: it has no disk space for a copy."""
_SECONDS = re.compile("[1-9][0-9]{0,2}")

_OK = HTTPStatus.OK  # looked up once: a member of an enumeration costs a call, here per request
_REFUSALS = {
    HTTPStatus.BAD_REQUEST: "transcriber_refused",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "upload_too_large",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "transcriber_refused",
    HTTPStatus.UNPROCESSABLE_ENTITY: "transcriber_refused",
}
"""Statuses that blame what the caller sent, with the code for the caller if the pod sends none that is known here."""


def check_status(status: int, body: bytes, retry_after: str = "") -> None:
    """Raise the UpstreamError that any status but 200 means.

    Args:
        status: Of the response.
        body: Of the response.
        retry_after: The value of its header `Retry-After`.
    """
    if status == _OK:
        return
    detail, code = error_text(body)
    if status in {HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS}:
        if code == _NO_SPACE_CODE:
            raise _no_space(retry_after)
        raise UpstreamError(FailureKind.BUSY, "Whisper is busy")
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise UpstreamError(server_error(status, detail), f"Whisper responded with status {status}")
    if status in MISCONFIGURED_STATUSES and status not in _REFUSALS:  # its own words may quote the bridge's key
        detail = f"it rejected the bridge's request with status {status}; WHISPER_URL or WHISPER_API_KEY may be wrong"
        raise UpstreamError(FailureKind.MISCONFIGURED, detail)
    if code not in PROBLEMS and status in _REFUSALS:
        code = _REFUSALS[HTTPStatus(status)]
    if code in AUDIO_CODES or status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        kind = FailureKind.BAD_AUDIO
    elif code in OPTION_CODES:
        kind = FailureKind.BAD_REQUEST
    elif status == HTTPStatus.REQUEST_TIMEOUT:
        kind = FailureKind.DIED
    else:
        kind = FailureKind.MISCONFIGURED
    raise UpstreamError(kind, detail or f"Whisper responded with status {status}", code=code, param=error_param(body))


def error_in_stream(detail: str, code: str | None, param: str | None) -> UpstreamError:
    """Return the failure that an event of a stream reports."""
    if code == _NO_SPACE_CODE:
        return _no_space()
    if code in AUDIO_CODES:
        kind = FailureKind.BAD_AUDIO
    else:
        kind = FailureKind.BAD_REQUEST if code in OPTION_CODES else FailureKind.DIED
    return UpstreamError(kind, detail or "Whisper failed", code=code, param=param)


def _no_space(retry_after: str = "") -> UpstreamError:
    seconds = int(retry_after) if _SECONDS.fullmatch(retry_after) else None
    detail = "Whisper has no disk space for the recording"
    return UpstreamError(FailureKind.NO_SPACE, detail, code=_NO_SPACE_CODE, retry_after=seconds)
