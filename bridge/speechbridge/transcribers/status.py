"""What the HTTP status of a Whisper pod means."""

from __future__ import annotations

from http import HTTPStatus

from speechbridge.errors import PROBLEMS
from speechbridge.upstreams.failures import MISCONFIGURED_STATUSES, FailureKind, UpstreamError, server_error
from speechbridge.upstreams.responses import error_param, error_text

AUDIO_CODES = frozenset({"not_audio", "no_audio_stream", "empty_file", "audio_too_long", "upload_too_large"})
"""Error codes of `speechwhisper` that concern the recording."""
OPTION_CODES = frozenset({"bad_field", "unknown_language", "unsupported_task", "transcriber_refused"})
"""Those that concern an option of the caller. All others concern what the bridge sent, or how: the model is the one in
WHISPER_MODEL, and `upload_stalled` is the network between bridge and pod."""

_OK = HTTPStatus.OK  # looked up once: a member of an enumeration costs a call, here per request
_REFUSALS = {
    HTTPStatus.BAD_REQUEST: "transcriber_refused",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "upload_too_large",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "transcriber_refused",
    HTTPStatus.UNPROCESSABLE_ENTITY: "transcriber_refused",
}
"""Statuses that blame what the caller sent, with the code for the caller if the pod sends none that is known here."""


def check_status(status: int, body: bytes) -> None:
    """Raise the UpstreamError that any status but 200 means."""
    if status == _OK:
        return
    detail, code = error_text(body)
    if status in {HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS}:
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
