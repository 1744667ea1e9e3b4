"""The two representations of a `Problem`: RFC 9457, and OpenAI's error object for routes under `/v1`."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from aiohttp import web

if TYPE_CHECKING:
    from speechwhisper.errors import Problem


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
    return document


def openai_document(problem: Problem) -> dict[str, Any]:
    """Return OpenAI's error object, which its clients turn into exceptions."""
    server_side = problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR
    kind = "server_error" if server_side else "invalid_request_error"
    return {"error": {"message": problem.detail, "type": kind, "param": problem.param, "code": problem.code}}


def problem_response(path: str, problem: Problem, request_id: str) -> web.Response:
    """Return a problem in the format of the path's API."""
    if path.startswith("/v1/"):
        document, content_type = openai_document(problem), "application/json"
    else:
        document, content_type = problem_document(problem, request_id), "application/problem+json"
    headers = {"X-Request-ID": request_id}
    if problem.allow:
        headers["Allow"] = problem.allow
    if problem.retry_after is not None:
        headers["Retry-After"] = str(problem.retry_after)
    return web.Response(
        status=problem.status,
        text=json.dumps(document),  # ASCII: a client's field name that is not UTF-8 has surrogates
        content_type=content_type,
        headers=headers,
    )
