"""What the HTTP status of a Whisper pod means."""

from __future__ import annotations

from http import HTTPStatus

from speechbridge.upstreams.failures import REJECTS_BRIDGE, FailureKind, UpstreamError, server_error
from speechbridge.upstreams.responses import error_param, error_text

AUDIO_CODES = frozenset({"not_audio", "no_audio_stream", "empty_file", "audio_too_long", "upload_too_large"})
"""Error codes of `speechwhisper` that concern the recording."""


def check_status(status: int, body: bytes) -> None:
    """Raise the UpstreamError that any status but 200 means."""
    if status == HTTPStatus.OK:
        return
    detail, code = error_text(body)
    if status in {HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS}:
        raise UpstreamError(FailureKind.BUSY, "Whisper is busy")
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise UpstreamError(server_error(status, detail), f"Whisper responded with status {status}")
    if status in REJECTS_BRIDGE or (status == HTTPStatus.NOT_FOUND and code is None):
        raise UpstreamError(FailureKind.MISCONFIGURED, f"Whisper responded with status {status}")
    kind = (
        FailureKind.BAD_AUDIO
        if code in AUDIO_CODES or status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        else FailureKind.BAD_REQUEST
    )
    raise UpstreamError(kind, detail or f"Whisper responded with status {status}", code=code, param=error_param(body))
