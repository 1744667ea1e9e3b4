"""What can go wrong for a caller, with a stable `code` each; the one place where an error becomes an HTTP answer.

`Problem` is what every layer raises. `problem_document` and `openai_document` are its two forms on the wire:
RFC 9457 (`application/problem+json`), and the error object of OpenAI's API for the routes under `/v1`.
"""

from __future__ import annotations

from http import HTTPStatus

PROBLEMS: dict[str, tuple[int, str]] = {
    # The caller's to mend.
    "no_file": (400, "The form has no audio file"),
    "empty_file": (400, "The audio file is empty"),
    "not_audio": (400, "The file is not audio"),
    "no_audio_stream": (400, "The file has no sound"),
    "bad_multipart": (400, "The multipart form is malformed"),
    "too_many_parts": (400, "The form has too many parts"),
    "headers_too_large": (400, "A part's headers are too large"),
    "unsupported_task": (400, "This Whisper model cannot do that"),
    "bad_field": (400, "A form field has a wrong value"),
    "field_too_large": (400, "A form field is too long"),
    "field_not_utf8": (400, "A form field is not UTF-8"),
    "field_after_file": (400, "A field came after the file and too late"),
    "bad_json": (400, "The body is not the JSON that is asked for"),
    "bad_request": (400, "The request is malformed"),
    "unknown_language": (400, "The language is not known"),
    "prompt_too_long": (400, "The prompt is longer than the model's context"),
    "context_overflow": (400, "Prompt and transcription are longer than the model's context"),
    "generator_refused": (400, "The language model refused the request"),
    "invalid_api_key": (401, "The API key is missing or not known"),
    "unknown_model": (404, "The model is not known"),
    "not_found": (404, "There is nothing at this address"),
    "method_not_allowed": (405, "The method is not allowed here"),
    "upload_stalled": (408, "The upload stopped"),
    "upload_too_slow": (408, "The upload is too slow"),
    "upload_too_large": (413, "The upload is too large"),
    "audio_too_long": (413, "The recording is too long"),
    "unsupported_media_type": (415, "The content type is not supported"),
    "request_headers_too_large": (431, "The request line or a header is too large"),
    # The service's.
    "internal": (500, "The bridge failed"),
    "transcriber_failed": (502, "Whisper failed"),
    "transcriber_bad_answer": (502, "Whisper gave an answer that makes no sense"),
    "generator_failed": (502, "The language model failed"),
    "generator_bad_answer": (502, "The language model gave an answer that makes no sense"),
    "model_missing": (503, "The model is not there yet"),
    "overloaded": (503, "The service is busy"),
    "stopping": (503, "This server is stopping"),
    "transcriber_unavailable": (503, "Whisper is not there"),
    "generator_unavailable": (503, "The language model is not there"),
    "deadline_exceeded": (504, "The request took too long"),
}
"""Every `code` with its HTTP status and title; `docs/reference/errors.md` is written from this table."""


class Problem(Exception):  # noqa: N818 - the name of the thing in RFC 9457
    """A failure that the caller is told of.

    Args:
        code: A key of `PROBLEMS`; clients may branch on it.
        detail: One sentence for a person: what happened and what to do.
        retry_after: Seconds after which another try makes sense, if that is known.
        param: The form field or JSON member at fault, if there is one.
        allow: The methods that the address takes, where another was used (RFC 9110, section 10.2.1).
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

    @property
    def outcome(self) -> str:
        """The class of the failure for metrics: `rejected` (4xx), `overloaded` (503) or `failed`."""
        if self.status < HTTPStatus.INTERNAL_SERVER_ERROR:
            return "rejected"
        return "overloaded" if self.code in {"overloaded", "stopping"} else "failed"
