"""The pages of the error codes, from the table of each service."""

from __future__ import annotations

from generator.markdown import page, table
from speechbridge.api.openapi.problems import WHEN
from speechbridge.errors import PROBLEMS
from speechoperator.errors import CODES
from speechwhisper.errors import PROBLEMS as WHISPER_PROBLEMS


def bridge_page() -> str:
    """Return the page of all error codes."""
    rows = [(f"`{code}`", str(status), title, WHEN[code]) for code, (status, title) in PROBLEMS.items()]
    return page(
        "Errors of the bridge",
        "Each error has a stable `code`. Clients should match on the code, not on texts. Errors are\n"
        "`application/problem+json` (RFC 9457), under `/v1` OpenAI's error object: see\n"
        "[both formats](http-api.md#openaierror). A 503 has `Retry-After` in seconds, if known. If only the\n"
        "generation fails, `/process` responds with 200 and the code in `error`. In an event stream, errors are\n"
        "`error` events.",
        table(("Code", "Status", "Title", "When"), rows),
    )


def whisper_page() -> str:
    """Return the page of all error codes of the Whisper server."""
    rows = [(f"`{code}`", str(status), title) for code, (status, title) in WHISPER_PROBLEMS.items()]
    return page(
        "Errors of the Whisper server",
        "Each error has a stable `code`. Clients should match on the code, not on texts. Errors are\n"
        "`application/problem+json` (RFC 9457): `type`, `title`, `status`, `detail`, `code`, `request_id`. Under\n"
        "`/v1` they are OpenAI's error object: `error` with `message`, `type`, `param`, `code`. `busy`, `no_space`\n"
        "and `broken` have `Retry-After` in seconds, at most 600. In an event stream, errors are `error` events.",
        table(("Code", "Status", "Title"), rows),
    )


def operator_page() -> str:
    """Return the page of all error codes of the operator."""
    rows = [(f"`{name}`", code.meaning, code.remedy) for name, code in CODES.items()]
    return page(
        "Errors of the operator",
        "Each error has a stable `code`. It is in the log line and is the label `code` of\n"
        "`speechoperator_errors_total`. Errors that concern a single pipeline are also reported in its conditions.",
        table(("Code", "Meaning", "What to do"), rows),
    )
