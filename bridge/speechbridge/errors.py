"""The errors that a client can receive, each with a stable `code`.

Every layer raises `Problem`; `api/problem_documents.py` turns it into an HTTP response.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import Literal

LoadingStage = Literal["no_pods", "starting", "waiting_for_model"]
"""How far an unavailable component is: its name resolves to no pods, its pods refuse connections until their models are
loaded, or its server runs without the model."""


@dataclass(frozen=True)
class Loading:
    """How far an unavailable component is.

    Attributes:
        stage: What it waits for.
        since_seconds: For how long the bridge has been unable to reach it; None if it can, or if that is unknown.
        eta_seconds: When it will be available if that takes as long as the last time; None if that is unknown.
    """

    stage: LoadingStage
    since_seconds: int | None = None
    eta_seconds: int | None = None

    def document(self) -> dict[str, str | int]:
        """Return the JSON object: what is unknown is missing."""
        return {name: value for name, value in asdict(self).items() if value is not None}


PROBLEMS: dict[str, tuple[int, str]] = {
    # Client errors.
    "no_file": (400, "No audio file in the form"),
    "empty_file": (400, "The audio file is empty"),
    "not_audio": (400, "The file is not audio"),
    "no_audio_stream": (400, "The file has no audio track"),
    "bad_multipart": (400, "The multipart form is malformed"),
    "too_many_parts": (400, "The form has too many parts"),
    "headers_too_large": (400, "A part's headers are too large"),
    "unsupported_task": (400, "The Whisper model does not support the task"),
    "bad_field": (400, "Invalid value of a field"),
    "field_too_large": (400, "A form field is too large"),
    "field_not_utf8": (400, "A form field is not valid UTF-8"),
    "field_after_file": (400, "A form field arrived too late"),
    "bad_json": (400, "The body is not a valid JSON object"),
    "bad_request": (400, "The request is malformed"),
    "unknown_language": (400, "Unknown language"),
    "context_length_exceeded": (400, "The prompt is too long for the model's context length, transcription included"),
    "generator_refused": (400, "The language model server rejected the request"),
    "transcriber_refused": (400, "The Whisper server rejected the request"),
    "invalid_api_key": (401, "The API key is missing or invalid"),
    "model_not_found": (404, "Unknown model"),
    "not_found": (404, "Not found"),
    "method_not_allowed": (405, "Method not allowed"),
    "upload_stalled": (408, "The upload stalled"),
    "upload_too_slow": (408, "The upload is too slow"),
    "upload_too_large": (413, "The upload is too large"),
    "audio_too_long": (413, "The recording is too long"),
    "unsupported_media_type": (415, "Unsupported content type"),
    "request_headers_too_large": (431, "The request line or a header is too large"),
    # Server errors.
    "internal": (500, "Internal error of the bridge"),
    "transcriber_failed": (502, "Whisper failed"),
    "transcriber_bad_answer": (502, "Whisper returned an invalid response"),
    "generator_failed": (502, "The language model failed"),
    "generator_bad_answer": (502, "The language model returned an invalid response"),
    "model_missing": (503, "The model is not available yet"),
    "overloaded": (503, "The service is overloaded"),
    "stopping": (503, "The server is shutting down"),
    "transcriber_unavailable": (503, "Whisper is unavailable"),
    "generator_unavailable": (503, "The language model is unavailable"),
    "deadline_exceeded": (504, "The request timed out"),
}
"""Every `code` with its HTTP status and title; `docs/reference/errors.md` is generated from this table."""


class Problem(Exception):  # noqa: N818 - the name of the thing in RFC 9457
    """An error reported to the client.

    Args:
        code: A key of `PROBLEMS`; clients may branch on it.
        detail: One human-readable sentence: what happened and what to do.
        retry_after: Seconds after which a retry is useful, if known.
        param: The form field or JSON member at fault, if any.
        allow: The methods that the path allows, if another was used (RFC 9110, section 10.2.1).
        transcription: What was transcribed nevertheless.

    Attributes:
        loading: How far the unavailable component is, if that is known.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        retry_after: int | None = None,
        param: str | None = None,
        allow: str | None = None,
        transcription: str | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.title = PROBLEMS[code]
        self.code = code
        self.detail = detail
        self.retry_after = retry_after
        self.param = param
        self.allow = allow
        self.transcription = transcription
        self.loading: Loading | None = None

    @property
    def outcome(self) -> str:
        """The class of the failure for metrics: `rejected` (4xx), `overloaded` (503), `deadline` or `failed`."""
        if self.code == "deadline_exceeded":
            return "deadline"
        if self.status < HTTPStatus.INTERNAL_SERVER_ERROR:
            return "rejected"
        return "overloaded" if self.code in {"overloaded", "stopping"} else "failed"
