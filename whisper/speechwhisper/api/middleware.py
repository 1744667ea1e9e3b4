"""Middleware of all routes: request ids, errors, metrics and the access log."""

from __future__ import annotations

import asyncio
import re
import secrets
from typing import TYPE_CHECKING

from aiohttp import HttpVersion11, web

from speechwhisper.api.problem_documents import problem_response
from speechwhisper.api.sending import send_whole
from speechwhisper.errors import Problem
from speechwhisper.service import SERVICE
from speechwhisper.telemetry import logs
from speechwhisper.telemetry.metrics import exemplar

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler

    from speechwhisper.telemetry.spans import RequestTrace

REQUEST_ID = web.RequestKey("request_id", str)
TRACE: web.RequestKey[RequestTrace] = web.RequestKey("trace")
"""The spans of a request, if it is traced."""
OUTCOME = web.ResponseKey("outcome", str)
"""Set on a streamed response that fails after its status was sent: the code of the error."""

INTERNAL_DETAIL = "Internal error; the server's log has the details."

_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}")
_PROBES = frozenset({"/livez", "/readyz", "/metrics", "/load"})


def request_id_of(request: web.Request) -> str:
    """Return the client's X-Request-ID if it is printable and at most 128 characters, else a new id."""
    if REQUEST_ID not in request:
        given = request.headers.get("X-Request-ID", "")
        request[REQUEST_ID] = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
    return request[REQUEST_ID]


def expects_continue(request: web.Request) -> bool:
    """Return whether the client sends its body only after `100 Continue` (RFC 9110, section 10.1.1)."""
    return request.version >= HttpVersion11 and request.headers.get("Expect", "").lower() == "100-continue"


async def send_request_id(request: web.Request, response: web.StreamResponse) -> None:
    """Add the id to the head of every response, including streams (a signal of aiohttp)."""
    response.headers.setdefault("X-Request-ID", request_id_of(request))


@web.middleware
async def observed(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Run the handler, turn exceptions into error responses, and measure and log the request.

    The response is sent here rather than by aiohttp, except to probes, so that a shutdown waits for it.
    """
    if request.path in _PROBES:
        return await _measured(request, handler)
    with request.app[SERVICE].in_flight.counted():
        response = await _measured(request, handler)
        try:
            await send_whole(request, response)
        except ConnectionError:
            return _disconnected(request)
    return response


async def _measured(request: web.Request, handler: Handler) -> web.StreamResponse:
    clock = request.app[SERVICE].jobs.clock
    started = clock()
    outcome, status = "cancelled", 499
    logs.request_id.set(request_id_of(request))
    if request.app[SERVICE].tracing is not None:
        _trace(request)
    try:
        response, outcome = await _answer(request, handler)
        status = response.status
    except ConnectionError:  # aiohttp would log it as an error of the server, with its stack trace
        return _disconnected(request)
    finally:
        _record(request, outcome, status, clock() - started)
    return response


def _disconnected(request: web.Request) -> web.Response:
    """Close the connection; return a response that goes nowhere."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def _trace(request: web.Request) -> None:
    """Start the trace of a request, except those of probes."""
    tracing = request.app[SERVICE].tracing
    if tracing is None or request.path in _PROBES:
        logs.trace_id.set("")  # of the request before on the same connection
        return
    request[TRACE] = trace = tracing.request(request.method, _route(request), request.path, request.headers)
    logs.trace_id.set(trace.trace_id)


def _record(request: web.Request, outcome: str, status: int, seconds: float) -> None:
    route, sampled_id = _route(request), ""
    if (trace := request.get(TRACE)) is not None:
        trace.end(status, outcome, request_id_of(request))
        sampled_id = trace.sampled_id
    metrics = request.app[SERVICE].metrics
    metrics.requests.labels(route, outcome).inc()
    metrics.request_seconds.labels(route).observe(seconds, exemplar(sampled_id))
    log = logs.debug if request.path in _PROBES else logs.info
    log(
        "request",
        method=request.method,
        route=route,
        status=status,
        outcome=outcome,
        duration_ms=round(seconds * 1000, 1),
    )


def _route(request: web.Request) -> str:
    """Return the route's pattern, which keeps the number of metric labels bounded."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "unmatched"


async def _answer(request: web.Request, handler: Handler) -> tuple[web.StreamResponse, str]:
    try:
        response = await handler(request)
    except Problem as problem:
        refused = _problem_response(request, problem)
        if expects_continue(request) and not request.content.is_eof():
            refused.force_close()  # the client may send the body anyway, which would be parsed as the next request
        return refused, problem.code
    except web.HTTPMethodNotAllowed as error:
        allow = ", ".join(sorted(error.allowed_methods))
        detail = f"The path supports {allow}, not {request.method}."
        return _problem_response(request, Problem("method_not_allowed", detail, allow=allow)), "method_not_allowed"
    except web.HTTPNotFound:
        return _problem_response(request, Problem("not_found", "No route has this path.")), "not_found"
    except (asyncio.CancelledError, ConnectionError):  # the client disconnected
        raise
    except Exception:  # noqa: BLE001 - a bug: logged with its stack trace, and a 500 for the client
        logs.exception("unexpected error")
        return _problem_response(request, Problem("internal", INTERNAL_DETAIL)), "internal"
    return response, response.get(OUTCOME, "ok")


def _problem_response(request: web.Request, problem: Problem) -> web.Response:
    return problem_response(request.path, problem, request_id_of(request))
