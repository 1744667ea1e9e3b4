"""The errors of each route: which codes, when, and in what form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from speechbridge.api.openapi.parts import answer, integer, or_null, record, ref, text
from speechbridge.api.problem_documents import openai_document, problem_document
from speechbridge.errors import PROBLEMS, Problem

if TYPE_CHECKING:
    from speechbridge.api.openapi.parts import Json

Style = Literal["problem", "openai"]

WHEN = {
    "no_file": "The form has no part called `file` or `audio_file`.",
    "empty_file": "The file has no bytes, or no sample of sound.",
    "not_audio": "Whisper cannot decode the file: it is something else, or damaged.",
    "no_audio_stream": "The file is a video or a container without a sound track.",
    "bad_multipart": "The body breaks the rules of multipart/form-data, or ends before its closing boundary.",
    "too_many_parts": "The form has more parts than any client needs.",
    "headers_too_large": "The headers of a part of the form are too long.",
    "bad_field": "A field or a member has a value that means nothing here, or comes twice; `param` names it.",
    "field_too_large": "A text field is longer than `MAX_PROMPT_BYTES`.",
    "field_not_utf8": "A text field is not UTF-8.",
    "field_after_file": "`language` came after a large file that whisper-asr-webservice had already been given.",
    "bad_json": "The body is no JSON object.",
    "bad_request": "The HTTP request is malformed: its transfer encoding, its length, its Expect header.",
    "unknown_language": "`language` is no code that Whisper, or the model loaded there, knows.",
    "unsupported_task": "Translation is asked of a model that knows only English.",
    "prompt_too_long": "The prompt alone fills the model's context; found while Whisper works.",
    "context_overflow": "Prompt and transcription together are longer than the model's context.",
    "generator_refused": "The language model's server refused what it was asked; `detail` has its words.",
    "invalid_api_key": "The service asks for an API key (`API_KEYS_DIR`), and the request names none that it knows.",
    "unknown_model": "`model` is none of the models listed by `/v1/models`.",
    "not_found": "The path is none of this API's.",
    "method_not_allowed": "The path takes other methods; the header `Allow` lists them.",
    "upload_stalled": "No byte came for `UPLOAD_STALL_TIMEOUT` seconds.",
    "upload_too_slow": "The upload stays under `UPLOAD_MIN_RATE` bytes a second.",
    "upload_too_large": "The upload is larger than `MAX_UPLOAD_BYTES`, a JSON body than `MAX_JSON_BYTES`.",
    "audio_too_long": "The recording lasts longer than Whisper's limit.",
    "unsupported_media_type": "The recording is not sent as multipart/form-data.",
    "request_headers_too_large": "The request line or a header is too long to be read; the path is not known then.",
    "internal": "A fault of the bridge itself; its log has the details under the request's id.",
    "transcriber_failed": "Whisper died over the recording, on every pod that was tried.",
    "transcriber_bad_answer": "Whisper's answer is not what its protocol promises.",
    "generator_failed": "The language model died over the request, on every pod that was tried.",
    "generator_bad_answer": "The language model's answer is not what its protocol promises.",
    "model_missing": "The model is known here, but its server does not have it yet: it is being pulled.",
    "overloaded": "Too many requests: try again after `Retry-After` seconds.",
    "stopping": "This replica is about to stop: another one takes the next try.",
    "transcriber_unavailable": "No Whisper pod can be reached.",
    "generator_unavailable": "No pod of the language model can be reached, or it does not say which models it has.",
    "deadline_exceeded": "The whole request took longer than `REQUEST_TIMEOUT` seconds.",
}
"""When each code of `PROBLEMS` is given, for people."""

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
    "unknown_model",
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
    "transcriber_failed",
    "transcriber_bad_answer",
    "transcriber_unavailable",
)
GENERATION = (
    "context_overflow",
    "generator_refused",
    "generator_failed",
    "generator_bad_answer",
    "generator_unavailable",
    "model_missing",
)
_SERVICE_UNAVAILABLE = 503
_EXAMPLE_ID = "7f3c0de1a2b4c596"


def errors(style: Style, *codes: str) -> Json:
    """Describe the error answers of a route, one per status, each with the codes it may have."""
    by_status: dict[int, list[str]] = {}
    for code in PROBLEMS:  # in the table's order, whatever the caller's is
        if code in codes:
            by_status.setdefault(PROBLEMS[code][0], []).append(code)
    return {str(status): _answer(style, status, found) for status, found in by_status.items()}


def _answer(style: Style, status: int, codes: list[str]) -> Json:
    description = "\n".join(f"* `{code}`: {WHEN[code]}" for code in codes)
    headers = {"Retry_After": {"$ref": "#/components/headers/Retry-After"}} if status == _SERVICE_UNAVAILABLE else {}
    narrowed: Json = {"properties": {"code": {"enum": codes}}}
    if style == "openai":
        narrowed = {"properties": {"error": narrowed}}
    base = "Problem" if style == "problem" else "OpenAIError"
    examples = {code: {"summary": PROBLEMS[code][1], "value": _example(style, code)} for code in codes}
    media_type = "application/problem+json" if style == "problem" else "application/json"
    content = {media_type: {"schema": {"allOf": [ref(base), narrowed]}, "examples": examples}}
    return answer(description, content, **headers)


def _example(style: Style, code: str) -> Json:
    problem = Problem(code, WHEN[code].replace("`", "'"))
    return problem_document(problem, _EXAMPLE_ID) if style == "problem" else openai_document(problem)


_CODE = text("Stable; what a program may branch on.", enum=sorted(PROBLEMS))
_PARAM = "The form field or JSON member at fault, where there is one."

SCHEMAS: Json = {
    "Problem": record(
        "An error (RFC 9457).",
        ("type", "title", "status", "detail", "code", "request_id"),
        type=text("Always about:blank: `code` tells the kind of error.", const="about:blank"),
        title=text("The kind of error in words, the same for every occurrence of a `code`."),
        status=integer("The HTTP status, once more.", minimum=400, maximum=599),
        detail=text("One sentence for a person: what happened and what to do."),
        code=_CODE,
        request_id=text("The request's id, as in the header X-Request-ID."),
        param=text(_PARAM),
    ),
    "OpenAIError": record(
        "An error, in the form of OpenAI's API.",
        error=record(
            "What OpenAI's clients turn into an exception.",
            message=text("One sentence for a person: what happened and what to do."),
            type=text("Whose fault it is.", enum=["invalid_request_error", "server_error"]),
            param=or_null(text(_PARAM)),
            code=_CODE,
        ),
    ),
}
