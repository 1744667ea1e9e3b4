"""OpenAPI: the error responses of each route."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

from speechbridge.api.openapi.schemas import integer, or_null, record, ref, response, text
from speechbridge.api.problem_documents import openai_document, problem_document
from speechbridge.errors import PROBLEMS, LoadingStage, Problem

if TYPE_CHECKING:
    from speechbridge.api.openapi.schemas import Json

Style = Literal["problem", "openai"]

WHEN = {
    "no_file": "The form has no part named `file` or `audio_file`.",
    "empty_file": "The file has no bytes, or no audio samples.",
    "not_audio": "Whisper cannot decode the file: it is not audio, or damaged.",
    "no_audio_stream": "The file is a video, or another container, without an audio track.",
    "bad_multipart": "The body is not valid multipart/form-data, or ends before its closing boundary.",
    "too_many_parts": "The form has more than 64 parts.",
    "headers_too_large": "The headers of a part of the form exceed 8 KiB.",
    "bad_field": "A form field or JSON member has an invalid value, or was sent twice; `param` is its name.",
    "field_too_large": "A text field is longer than `MAX_FIELD_BYTES`, or all of them are longer than twice as much.",
    "field_not_utf8": "A text field is not valid UTF-8.",
    "field_after_file": "An option of Whisper followed a large file that was already being transcribed and cannot be"
    " sent again: the client has a part of its transcript, or the file is no longer buffered.",
    "bad_json": "The body is not a JSON object, has more than 200,000 values, or is nested more than 64 levels deep.",
    "bad_request": "The HTTP request is malformed, such as its transfer encoding, length or Expect header.",
    "unknown_language": "`language` is not supported by Whisper, or by the model in use.",
    "unsupported_task": "Translation was requested from an English-only model.",
    "context_length_exceeded": "Prompt and transcription together exceed the model's context length.",
    "generator_refused": "The language model server rejected the request; `detail` is its message.",
    "transcriber_refused": "The Whisper server rejected the request; `detail` is its message.",
    "invalid_api_key": "The service requires an API key (`API_KEYS_DIR`), and the request has none or an invalid one.",
    "model_not_found": "`model` is not one of `/v1/models`.",
    "not_found": "The path does not exist.",
    "method_not_allowed": "The path does not allow the method; the header `Allow` lists those that it does.",
    "upload_stalled": "No data arrived for `UPLOAD_STALL_TIMEOUT` seconds, or for 5 s while a pod was waiting"
    " for the rest of an upload that is no longer buffered.",
    "upload_too_slow": "The upload is slower than `UPLOAD_MIN_RATE` bytes per second.",
    "upload_too_large": "The audio is larger than `MAX_UPLOAD_BYTES`, or the JSON body larger than `MAX_JSON_BYTES`.",
    "audio_too_long": "The recording is longer than the Whisper server allows, or cannot be transcribed in time:"
    " `detail` says how many seconds can.",
    "unsupported_media_type": "The body is neither multipart/form-data nor a recording (`audio/*`, `video/*`).",
    "request_headers_too_large": "The request line or a header line is longer than 8190 bytes.",
    "internal": "A bug in the bridge; its log has the details, with the id of the request.",
    "transcriber_failed": "Transcription failed on every Whisper pod that was tried, or Whisper rejects the"
    " model, the key or the route that the deployment sets.",
    "transcriber_bad_answer": "The response of Whisper violates its protocol.",
    "generator_failed": "Generation failed on every language model pod that was tried.",
    "generator_bad_answer": "The response of the language model violates its protocol.",
    "model_missing": "The model is configured, but its server does not have it yet: it is being pulled.",
    "overloaded": "Too many requests, or no memory for this one; retry after `Retry-After` seconds.",
    "stopping": "This replica is shutting down; a new request reaches another one.",
    "transcriber_unavailable": "No Whisper pod can be reached; `loading` says how far their start is, if known.",
    "generator_unavailable": "No language model pod can be reached, or its models cannot be listed; `loading` says"
    " how far their start is, if known.",
    "deadline_exceeded": "No progress for `REQUEST_TIMEOUT` seconds, or the total is used up; `transcription` is what"
    " was transcribed, if the format of the response cannot say that it is incomplete.",
}
"""When each code of `PROBLEMS` occurs."""

ALWAYS = ("bad_request", "internal")
KEYED = ("invalid_api_key",)
ADMISSION = ("overloaded", "stopping", "deadline_exceeded")
FORM = (
    "no_file",
    "bad_multipart",
    "too_many_parts",
    "headers_too_large",
    "bad_field",
    "field_too_large",
    "field_not_utf8",
    "field_after_file",
    "model_not_found",
    "upload_stalled",
    "upload_too_slow",
    "upload_too_large",
    "unsupported_media_type",
)
TRANSCRIPTION = (
    "empty_file",
    "not_audio",
    "no_audio_stream",
    "unknown_language",
    "audio_too_long",
    "transcriber_refused",
    "transcriber_failed",
    "transcriber_bad_answer",
    "transcriber_unavailable",
)
GENERATION = (
    "context_length_exceeded",
    "generator_refused",
    "generator_failed",
    "generator_bad_answer",
    "generator_unavailable",
    "model_missing",
)
_SERVICE_UNAVAILABLE = 503
_EXAMPLE_ID = "7f3c0de1a2b4c596"


def errors(style: Style, *codes: str) -> Json:
    """Return the error responses of a route, one per status, each with its codes."""
    by_status: dict[int, list[str]] = {}
    for code in PROBLEMS:  # in the order of the table
        if code in codes:
            by_status.setdefault(PROBLEMS[code][0], []).append(code)
    return {str(status): _response(style, status, found) for status, found in by_status.items()}


def _response(style: Style, status: int, codes: list[str]) -> Json:
    description = "\n".join(f"* `{code}`: {WHEN[code]}" for code in codes)
    headers = {"Retry_After": {"$ref": "#/components/headers/Retry-After"}} if status == _SERVICE_UNAVAILABLE else {}
    narrowed: Json = {"properties": {"code": {"enum": codes}}}
    if style == "openai":
        narrowed = {"properties": {"error": narrowed}}
    base = "Problem" if style == "problem" else "OpenAIError"
    examples = {code: {"summary": PROBLEMS[code][1], "value": _example(style, code)} for code in codes}
    media_type = "application/problem+json" if style == "problem" else "application/json"
    content = {media_type: {"schema": {"allOf": [ref(base), narrowed]}, "examples": examples}}
    return response(description, content, **headers)


def _example(style: Style, code: str) -> Json:
    problem = Problem(code, WHEN[code].replace("`", "'"))
    return problem_document(problem, _EXAMPLE_ID) if style == "problem" else openai_document(problem)


_CODE = text("Stable code.", enum=sorted(PROBLEMS))
_TRANSCRIBED = "What was transcribed before the deadline; only with `deadline_exceeded`."
_PARAM = "The form field or JSON member at fault, if any."

SCHEMAS: Json = {
    "Problem": record(
        "An error (RFC 9457).",
        ("type", "title", "status", "detail", "code", "request_id"),
        type=text("Always about:blank; `code` is the kind of error.", const="about:blank"),
        title=text("Human-readable kind of error, the same for every occurrence of a `code`."),
        status=integer("The HTTP status.", minimum=400, maximum=599),
        detail=text("One human-readable sentence: what happened and what to do."),
        code=_CODE,
        request_id=text("The id of the request, as in the header X-Request-ID."),
        param=text(_PARAM),
        loading=ref("Loading"),
        transcription=text(_TRANSCRIBED),
    ),
    "OpenAIError": record(
        "An error in the format of OpenAI's API.",
        error=record(
            "OpenAI's error object.",
            ("message", "type", "param", "code"),
            message=text("One human-readable sentence: what happened and what to do."),
            type=text("Whether the request or the server is at fault.", enum=["invalid_request_error", "server_error"]),
            param=or_null(text(_PARAM)),
            code=_CODE,
            loading=ref("Loading"),
            transcription=text(_TRANSCRIBED),
        ),
    ),
    "Loading": record(
        "How far an unavailable component is, as far as it is known; some 503 responses have it.",
        ("stage",),
        stage=text(
            "`no_pods`: its name resolves to no pods; `starting`: its pods refuse connections, as until their models"
            " are loaded; `waiting_for_model`: its server runs, but does not have the model yet.",
            enum=list(get_args(LoadingStage)),
        ),
        since_seconds=integer("For how many seconds this replica has found none of its pods reachable.", minimum=0),
        eta_seconds=integer(
            "Seconds until it is available, if that takes as long as the last time; omitted until this replica has"
            " measured how long that was, and once it takes longer.",
            minimum=1,
        ),
    ),
}
