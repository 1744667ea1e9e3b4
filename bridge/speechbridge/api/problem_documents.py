"""The two representations of a `Problem`: RFC 9457, and OpenAI's error object for routes under `/v1`."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from aiohttp import web

if TYPE_CHECKING:
    from speechbridge.errors import Problem


def problem_document(problem: Problem, request_id: str) -> dict[str, Any]:
    """Return the RFC 9457 document of a problem."""
    document: dict[str, Any] = {
        "type": "about:blank",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        "code": problem.code,
        "request_id": request_id,
    }
    if problem.param:
        document["param"] = problem.param
    return {**document, **_additions(problem)}


def openai_document(problem: Problem) -> dict[str, Any]:
    """Return OpenAI's error object, which its clients turn into exceptions."""
    server_side = problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR
    kind = "server_error" if server_side else "invalid_request_error"
    error = {"message": problem.detail, "type": kind, "param": problem.param, "code": problem.code}
    return {"error": {**error, **_additions(problem)}}


def _additions(problem: Problem) -> dict[str, Any]:
    additions: dict[str, Any] = {}
    if problem.loading:
        additions["loading"] = problem.loading.document()
    if problem.transcription is not None:
        additions["transcription"] = problem.transcription
    return additions


def problem_response(request: web.Request, problem: Problem, request_id: str) -> web.Response:
    """Return a problem in the format of the route's API."""
    if request.path.startswith("/v1/"):
        document, content_type = openai_document(problem), "application/json"
    else:
        document, content_type = problem_document(problem, request_id), "application/problem+json"
    response = web.Response(body=json.dumps(document).encode(), status=problem.status, content_type=content_type)
    response.headers["X-Request-ID"] = request_id
    if problem.allow:
        response.headers["Allow"] = problem.allow
    if problem.status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = "Bearer"
    if problem.code == "deadline_exceeded":
        response.headers["X-Should-Retry"] = "false"  # to OpenAI's clients: it would all be done again, in vain
    if problem.retry_after is not None:
        response.headers["Retry-After"] = str(problem.retry_after)
    if not request.content.is_eof():
        response.force_close()  # instead of reading the rest of the body
    return response
