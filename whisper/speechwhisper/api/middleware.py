"""What every request gets: an id, a log line, metrics, and refusals rendered in the right shape."""

import asyncio
import json
import logging
import re
import uuid

from aiohttp import HttpVersion11, web
from aiohttp.typedefs import Handler

from speechwhisper import errors
from speechwhisper.api.keys import JOBS, METRICS, OUTCOME, REQUEST_ID
from speechwhisper.errors import InternalError, MethodNotAllowedError, NotFoundError, RefusalError

logger = logging.getLogger("speechwhisper.access")

_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}")
_PROBES = frozenset({"/healthz", "/readyz", "/metrics"})


def identify(request: web.Request) -> str:
    """Return the request's id: the client's, when it is printable and short, or a new one."""
    if REQUEST_ID not in request:
        sent = request.headers.get("X-Request-ID", "")
        request[REQUEST_ID] = sent if _REQUEST_ID.fullmatch(sent) else uuid.uuid4().hex
    return request[REQUEST_ID]


def error_response(request: web.Request, refusal: RefusalError) -> web.Response:
    """Render a refusal: OpenAI's shape under ``/v1``, problem details elsewhere."""
    if request.path.startswith("/v1/"):
        body, content_type = errors.openai_error(refusal), "application/json"
    else:
        body, content_type = errors.problem(refusal, identify(request)), "application/problem+json"
    return web.Response(
        status=refusal.status,
        text=json.dumps(body, ensure_ascii=False),
        content_type=content_type,
        headers={**refusal.headers, "X-Request-ID": identify(request)},
    )


def expects_continue(request: web.Request) -> bool:
    """Tell whether the client sends its body only after `100 Continue` (RFC 9110, section 10.1.1)."""
    return request.version >= HttpVersion11 and request.headers.get("Expect", "").lower() == "100-continue"


async def send_request_id(request: web.Request, response: web.StreamResponse) -> None:
    """Put the id into every answer's head, streamed ones included (a signal of aiohttp)."""
    response.headers.setdefault("X-Request-ID", identify(request))


@web.middleware
async def observe(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Count, time and log one request."""
    clock = request.app[JOBS].clock
    received = clock()
    outcome, status = "client_left", 499
    identify(request)
    try:
        response, outcome = await _answer(request, handler)
        status = response.status
    finally:
        seconds = clock() - received
        note(request, outcome, status, seconds)
    return response


def note(request: web.Request, outcome: str, status: int, seconds: float) -> None:
    """Write a finished request into metrics and log."""
    resource = request.match_info.route.resource
    route = resource.canonical if resource is not None else "unknown"
    metrics = request.app[METRICS]
    metrics.requests.labels(route, outcome).inc()
    metrics.request_seconds.labels(route).observe(seconds)
    level = logging.DEBUG if request.path in _PROBES else logging.INFO
    logger.log(
        level,
        "request",
        extra={
            "request_id": identify(request),
            "method": request.method,
            "route": route,
            "status": status,
            "outcome": outcome,
            "seconds": round(seconds, 3),
        },
    )


async def _answer(request: web.Request, handler: Handler) -> tuple[web.StreamResponse, str]:
    try:
        response = await handler(request)
    except RefusalError as refusal:
        refused = error_response(request, refusal)
        if expects_continue(request) and not request.content.is_eof():
            refused.force_close()  # the body may follow all the same: what comes next may be no request
        return refused, refusal.code
    except web.HTTPMethodNotAllowed as error:
        allowed = ", ".join(sorted(error.allowed_methods))
        wrong_method = MethodNotAllowedError(f"{request.method} is not allowed here, only {allowed}", allowed)
        return error_response(request, wrong_method), wrong_method.code
    except web.HTTPNotFound:
        return error_response(request, NotFoundError("there is nothing here")), NotFoundError.code
    except (asyncio.CancelledError, ConnectionError):  # the client left
        raise
    except Exception:
        logger.exception("a bug: the request failed", extra={"request_id": identify(request)})
        failure = InternalError("the server failed; its log says why")
        return error_response(request, failure), failure.code
    return response, response.get(OUTCOME, "ok")
