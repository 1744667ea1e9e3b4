"""The errors that a client can receive, each with a stable `code`.

Every layer raises `Problem`; `api/problem_documents.py` turns it into an HTTP response.
"""

from __future__ import annotations

PROBLEMS: dict[str, tuple[int, str]] = {
    # Client errors.
    "no_file": (400, "No audio file in the form"),
    "empty_file": (400, "The file has no bytes, or no audio samples"),
    "not_audio": (400, "The file is not audio or video that can be decoded"),
    "no_audio_stream": (400, "The file has no audio track"),
    "bad_multipart": (400, "The multipart form is malformed"),
    "bad_field": (400, "Invalid value of a field or query parameter"),
    "bad_request": (400, "The request is malformed"),
    "unknown_language": (400, "The model does not support the language"),
    "unsupported_task": (400, "The model does not support translation"),
    "model_not_found": (404, "The requested model is not loaded"),
    "not_found": (404, "Not found"),
    "method_not_allowed": (405, "Method not allowed"),
    "upload_stalled": (408, "The upload stalled"),
    "upload_too_large": (413, "The file exceeds MAX_UPLOAD_BYTES"),
    "audio_too_long": (413, "The recording exceeds MAX_AUDIO_SECONDS"),
    "unsupported_media_type": (415, "The body is neither a multipart form nor a recording"),
    "request_headers_too_large": (431, "The request line or a header is too large"),
    # Server errors.
    "internal": (500, "Internal error of the Whisper server"),
    "busy": (503, "The queue is full, or the server is shutting down"),
    "no_space": (503, "The disk has no space for the upload"),
    "broken": (503, "The device fails; the server restarts"),
}
"""Every `code` with its HTTP status and title; `docs/reference/whisper-errors.md` is generated from this table."""


class Problem(Exception):  # noqa: N818 - the name of the thing in RFC 9457
    """An error reported to the client.

    Args:
        code: A key of `PROBLEMS`; clients may branch on it.
        detail: One human-readable sentence: what happened and what to do.
        retry_after: Seconds after which a retry is useful, if known.
        param: The form field or query parameter at fault, if any.
        allow: The methods that the path allows, if another was used (RFC 9110, section 10.2.1).
    """

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        retry_after: int | None = None,
        param: str | None = None,
        allow: str | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.title = PROBLEMS[code]
        self.code = code
        self.detail = detail
        self.retry_after = retry_after
        self.param = param
        self.allow = allow
