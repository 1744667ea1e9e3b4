"""What a client is refused for: each with a stable code, each rendered in one place."""

from http import HTTPStatus
from typing import Any


class RefusalError(Exception):
    """A request that cannot be served, for a reason that its sender can read.

    Attributes:
        status: the HTTP status, 4xx or 503.
        code: stable, for programs.
        param: the form field or query parameter at fault, where there is one.
    """

    status = HTTPStatus.BAD_REQUEST
    code = "bad_request"

    def __init__(self, message: str, *, param: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param

    @property
    def headers(self) -> dict[str, str]:
        """Headers the answer needs beyond the usual ones."""
        return {}


class NoFileError(RefusalError):
    """The form has no file part."""

    code = "no_file"


class EmptyFileError(RefusalError):
    """The file has no bytes, or holds no sample of audio."""

    code = "empty_file"


class NotAudioError(RefusalError):
    """No decoder knows what this file is."""

    code = "not_audio"


class NoAudioStreamError(RefusalError):
    """A media file without a sound track."""

    code = "no_audio_stream"


class UploadTooLargeError(RefusalError):
    """More bytes than MAX_UPLOAD_BYTES."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    code = "upload_too_large"


class AudioTooLongError(RefusalError):
    """More seconds than MAX_AUDIO_SECONDS."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    code = "audio_too_long"


class UploadStalledError(RefusalError):
    """The client sends nothing, or next to nothing."""

    status = HTTPStatus.REQUEST_TIMEOUT
    code = "upload_stalled"


class BadMultipartError(RefusalError):
    """The body is not the multipart form that it should be."""

    code = "bad_multipart"


class WrongContentTypeError(BadMultipartError):
    """The body does not even claim to be a multipart form."""

    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE


class BadFieldError(RefusalError):
    """A field or query parameter has a value that means nothing here."""

    code = "bad_field"


class UnknownLanguageError(RefusalError):
    """The model does not know the language asked for."""

    code = "unknown_language"


class UnsupportedTaskError(RefusalError):
    """The model cannot translate."""

    code = "unsupported_task"


class UnknownModelError(RefusalError):
    """The model asked for is not the one loaded here."""

    status = HTTPStatus.NOT_FOUND
    code = "unknown_model"


class NotFoundError(RefusalError):
    """There is nothing at this path."""

    status = HTTPStatus.NOT_FOUND
    code = "not_found"


class MethodNotAllowedError(RefusalError):
    """The path is right, the method is not."""

    status = HTTPStatus.METHOD_NOT_ALLOWED
    code = "method_not_allowed"

    def __init__(self, message: str, allowed: str) -> None:
        super().__init__(message)
        self._allowed = allowed

    @property
    def headers(self) -> dict[str, str]:
        """Name the methods that are allowed (RFC 9110, section 15.5.6)."""
        return {"Allow": self._allowed}


class BusyError(RefusalError):
    """Every slot is taken, or the server is about to stop."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "busy"

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self._retry_after = retry_after

    @property
    def headers(self) -> dict[str, str]:
        """Say in how many whole seconds a slot is expected to be free."""
        return {"Retry-After": str(self._retry_after)}


class InternalError(RefusalError):
    """The server's own fault; the client is told no more than that."""

    status = HTTPStatus.INTERNAL_SERVER_ERROR
    code = "internal"


def openai_error(refusal: RefusalError) -> dict[str, Any]:
    """Return the body of an error under ``/v1``, in OpenAI's shape."""
    kind = "invalid_request_error" if refusal.status < HTTPStatus.INTERNAL_SERVER_ERROR else "server_error"
    return {
        "error": {"message": refusal.message, "type": kind, "param": refusal.param, "code": refusal.code},
    }


def problem(refusal: RefusalError, request_id: str) -> dict[str, Any]:
    """Return the body of an error elsewhere: problem details (RFC 9457) with a code."""
    return {
        "type": "about:blank",
        "title": HTTPStatus(refusal.status).phrase,
        "status": refusal.status,
        "detail": refusal.message,
        "code": refusal.code,
        "request_id": request_id,
    }
