"""What is done for every request: its id, its errors, its metrics and its line in the log."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from aiohttp import web

from speechbridge.errors import Problem
from speechbridge.service import SERVICE
from speechbridge.telemetry import logs
from speechbridge.telemetry.timeline import Timeline, request_id_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

from speechbridge.api.problem_documents import problem_response

TIMELINE = web.RequestKey("timeline", Timeline)
OUTCOME = web.RequestKey("outcome", str)
"""Set by a route whose 200 is not the whole truth, such as an answer whose generation failed."""

_KEYED = ("/process", "/v1/")
_QUIET = frozenset({"/livez", "/readyz", "/health", "/metrics"})


@web.middleware
async def observed(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Run the handler; turn what it raises into an answer; count, time and log the request."""
    service = request.app[SERVICE]
    request_id = request_id_of(request.headers)
    logs.request_id.set(request_id)
    request[TIMELINE] = timeline = Timeline(monotonic)
    outcome, status, code = "cancelled", 499, None
    try:
        response, problem = await _answer(request, handler, request_id)
        status = response.status
        outcome = problem.outcome if problem else request.get(OUTCOME, "ok")
        code = problem.code if problem else None
        return response
    finally:
        seconds = monotonic() - timeline.started
        route = _route(request)
        metrics = service.metrics
        metrics.child(metrics.requests, route, outcome).inc()
        metrics.child(metrics.request_seconds, route).observe(seconds)
        if route not in _QUIET:
            fields = {"method": request.method, "route": route, "status": status, "outcome": outcome}
            fields["duration_ms"] = round(seconds * 1000, 1)
            if code:
                fields["code"] = code
            logs.logger.info("request", extra={"fields": fields})


@web.middleware
async def authorized(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let those to the API who name a key; probes, metrics, the playground's page and the description are free."""
    if _route(request).startswith(_KEYED):
        request.app[SERVICE].keys.check(request.headers)
    return await handler(request)


async def _answer(request: web.Request, handler: Handler, request_id: str) -> tuple[web.StreamResponse, Problem | None]:
    try:
        response = await handler(request)
        if not response.prepared:
            response.headers["X-Request-ID"] = request_id
    except Problem as error:
        problem = error
    except web.HTTPException as error:
        problem = _problem_of_http(request, error)
    except web.RequestPayloadError:
        problem = Problem("bad_request", "The body could not be read: its transfer encoding or its length is wrong.")
    except Exception:  # noqa: BLE001 - nothing may reach a client as a stack trace; it is logged with all it has
        logs.logger.exception("unexpected error")
        problem = Problem("internal", "The bridge failed at this request; its log has the details.")
    else:
        return response, None
    if request.writer.output_size:
        _break_off(request)
    return problem_response(request, problem, request_id), problem


def _break_off(request: web.Request) -> None:
    """Cut the connection: an answer that has begun cannot become another, and its reader must see that it broke off."""
    if request.transport is not None:
        request.transport.abort()


def _problem_of_http(request: web.Request, error: web.HTTPException) -> Problem:
    if error.status == web.HTTPMethodNotAllowed.status_code:
        allowed = error.headers.get("Allow", "")
        return Problem("method_not_allowed", f"{request.path} takes {allowed}, not {request.method}.", allow=allowed)
    if error.status == web.HTTPNotFound.status_code:
        return Problem("not_found", f"There is nothing at {request.path[:200]}; /openapi.json lists what there is.")
    return Problem("bad_request", error.reason or "The request is malformed.")


def _route(request: web.Request) -> str:
    """Return the route's pattern, so that the label stays bounded."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "unmatched"
