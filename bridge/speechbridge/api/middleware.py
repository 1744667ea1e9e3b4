"""Middleware of all routes: request ids, API keys, errors, metrics and the access log."""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING

from aiohttp import web

from speechbridge.api.problem_documents import problem_response
from speechbridge.errors import Problem
from speechbridge.service import SERVICE
from speechbridge.telemetry import logs
from speechbridge.telemetry.timeline import Timeline, request_id_of, trace_id_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from speechbridge.telemetry.metrics import Metrics
    from speechbridge.telemetry.spans import RequestTrace

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(slots=True)
class RequestState:
    """What is known of a request besides its head.

    Attributes:
        timeline: When its stages began and ended.
        trace: Its spans, if it is traced.
        caller: Whose request it is, where API keys are required.
        failure: Set by a route that responds with 200 although a stage failed: outcome and code of the failure.
    """

    timeline: Timeline
    trace: RequestTrace | None = None
    caller: str = ""
    failure: tuple[str, str] | None = None


STATE = web.RequestKey("state", RequestState)
_CANCELLED = 499  # nginx's status for a client that disconnected
_KEY_REQUIRED = ("/process", "/v1/")
_NOT_LOGGED = frozenset({"/livez", "/readyz", "/health", "/metrics", "/load"})
_NOT_MEASURED = "/load"  # its streams last for hours


@web.middleware
async def observed(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Run the handler, turn exceptions into error responses, and measure and log the request."""
    metrics, route = request.app[SERVICE].metrics, _route(request)
    request_id = request_id_of(request.headers)
    logs.request_id.set(request_id)
    request[STATE] = state = RequestState(Timeline(monotonic, trace_id_of(request.headers)))
    if request.app[SERVICE].tracing is not None:
        _trace(request, route, state)
    status, problem = _CANCELLED, None
    try:
        try:
            response = await handler(request)
            if not response.prepared:
                response.headers["X-Request-ID"] = request_id
        except ConnectionError:  # a failure of an upstream is an UpstreamError
            raise
        except Exception as error:  # noqa: BLE001 - clients never see a stack trace; the log does
            problem = await _problem_of(request, error)
            response = problem_response(request, problem, request_id)
        if await _write(request, response) or problem:
            status = response.status
        return response
    except ConnectionError:  # the client disconnected, and aiohttp has not cancelled the handler yet
        _abort(request)
        return web.Response()  # goes nowhere
    finally:
        if problem:
            state.failure = problem.outcome, problem.code
        _record(request, metrics, route, state, status)


def record_failure(request: web.Request, problem: Problem, *, partial: bool = False) -> None:
    """Record why the answer to a request is not complete although its status is 200.

    Args:
        request: The request.
        problem: What failed.
        partial: Whether the client receives a part of the answer.
    """
    outcome = "partial" if partial and problem.outcome != "deadline" else problem.outcome
    request[STATE].failure = outcome, problem.code


def rejected(request: web.Request, problem: Problem) -> web.Response:
    """Return the response to a request that is rejected before the middleware runs, measured and logged like others."""
    request_id = request_id_of(request.headers)
    logs.request_id.set(request_id)
    metrics, route = request.app[SERVICE].metrics, _route(request)
    state = RequestState(Timeline(monotonic), failure=(problem.outcome, problem.code))
    if request.app[SERVICE].tracing is not None:
        _trace(request, route, state)
    _record(request, metrics, route, state, problem.status)
    return problem_response(request, problem, request_id)


def _trace(request: web.Request, route: str, state: RequestState) -> None:
    """Start the trace of a request, if requests of its route are traced: those that are logged."""
    tracing = request.app[SERVICE].tracing
    if tracing is None or route in _NOT_LOGGED:
        logs.trace_id.set("")  # of the request before on the same connection
        return
    state.trace = trace = tracing.request(request.method, route, request.path, request.headers, state.timeline)
    state.timeline.trace_id = trace.sampled_id
    logs.trace_id.set(trace.trace_id)


def _record(request: web.Request, metrics: Metrics, route: str, state: RequestState, status: int) -> None:
    """Measure and log a request."""
    seconds = monotonic() - state.timeline.started
    outcome, code = state.failure or ("cancelled" if status == _CANCELLED else "ok", "")
    if route != _NOT_MEASURED:
        metrics.requests.labels(route, outcome).inc()
        metrics.request_seconds.labels(route).observe(seconds, state.timeline.trace_id)
    if state.trace is not None:
        state.trace.end(status, outcome, code, logs.request_id.get())
    if route not in _NOT_LOGGED:
        audio_seconds = round(state.timeline.audio_seconds, 2)
        logs.info(
            "request",
            method=request.method,
            route=route,
            status=status,
            outcome=outcome,
            duration_ms=round(seconds * 1000, 1),
            **({"audio_seconds": audio_seconds} if audio_seconds else {}),
            **({"code": code} if code else {}),
        )


@web.middleware
async def authorized(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Require an API key for the API; probes, metrics, the playground and the OpenAPI document need none.

    Installed only where keys are required.
    """
    if _route(request).startswith(_KEY_REQUIRED):
        request[STATE].caller = request.app[SERVICE].keys.check(request.headers)
    return await handler(request)


async def _problem_of(request: web.Request, error: Exception) -> Problem:
    """Return what the client is told about an exception; aborts the connection if its response has begun."""
    match error:
        case Problem():
            problem = error
        case web.HTTPException():
            problem = _problem_of_http(request, error)
        case web.RequestPayloadError():
            problem = Problem(
                "bad_request", "The body could not be read: its transfer encoding or its length is invalid."
            )
        case _:
            logs.exception("unexpected error")
            problem = Problem("internal", "Internal error; the log of the bridge has the details.")
    if request.writer.output_size:
        _abort(request)
    else:
        problem.loading = await request.app[SERVICE].readiness.loading(problem.code)
    return problem


async def _write(request: web.Request, response: web.StreamResponse) -> bool:
    """Write a response here, so that it is measured; aiohttp then finds it written. False if the client is gone."""
    try:
        await response.prepare(request)
        await response.write_eof()
    except ConnectionError:
        return False
    return True


def _abort(request: web.Request) -> None:
    """Abort the connection: once the response has begun, this alone tells the client that it is incomplete."""
    if request.transport is not None:
        request.transport.abort()


def _problem_of_http(request: web.Request, error: web.HTTPException) -> Problem:
    if error.status == web.HTTPMethodNotAllowed.status_code:
        allowed = error.headers.get("Allow", "")
        return Problem("method_not_allowed", f"{request.path} allows {allowed}, not {request.method}.", allow=allowed)
    if error.status == web.HTTPNotFound.status_code:
        return Problem("not_found", f"No route {request.path[:200]}; /openapi.json lists all routes.")
    return Problem("bad_request", error.reason or "The request is malformed.")


def _route(request: web.Request) -> str:
    """Return the route's pattern, which keeps the number of metric labels bounded."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "unmatched"
