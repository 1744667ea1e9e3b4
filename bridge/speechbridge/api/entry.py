"""What the routes for audio and chat share: admission, the deadline, the form."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from speechbridge.api.middleware import TIMELINE
from speechbridge.api.problem_documents import problem_response
from speechbridge.errors import Problem
from speechbridge.intake.body import Body
from speechbridge.intake.form import check_form
from speechbridge.intake.upload import open_form
from speechbridge.service import SERVICE
from speechbridge.stages.call import Call
from speechbridge.telemetry.logs import request_id
from speechbridge.telemetry.timeline import request_id_of, upstream_headers
from speechbridge.wait_budget import WaitBudget

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp import web

    from speechbridge.intake.upload import Upload
    from speechbridge.service import Service


_JSON_ROUTES = frozenset({"/v1/chat/completions", "/v1/responses"})


@asynccontextmanager
async def admitted(request: web.Request, call: Call) -> AsyncIterator[Service]:
    """Admit a request for the duration of the block, which the deadline limits.

    Raises:
        Problem: `overloaded`, `stopping` or `deadline_exceeded`.
    """
    service = request.app[SERVICE]
    timeline = call.timeline
    limit = service.settings.request_timeout
    try:
        async with asyncio.timeout(limit), service.admission.admit(call.budget):
            timeline.queued = timeline.clock() - timeline.started
            yield service
    except TimeoutError:
        raise Problem("deadline_exceeded", f"The request exceeded its timeout of {limit:g} s.") from None


@asynccontextmanager
async def uploaded(request: web.Request, service: Service) -> AsyncIterator[Upload]:
    """Read the form of a request until its recording begins; discard it after the block.

    Raises:
        Problem: The body is neither a form nor a recording, or has none.
    """
    query = {name: request.query.getall(name) for name in request.query}
    upload = open_form(
        request.content, request.headers, query, service.upload_rules, service.pace, service.spool_budget
    )
    try:
        await upload.start()
        yield upload
    finally:
        upload.close()
        if upload.received:
            service.metrics.upload_bytes.observe(upload.received)


def body_of(request: web.Request, service: Service) -> Body:
    """Return the body of a request, subject to the service's limits on slow senders."""
    return Body(request.content, service.pace, request[TIMELINE].clock)


def call_of(request: web.Request, *, streams: bool) -> Call:
    """Return the request as the stages see it."""
    settings = request.app[SERVICE].settings
    budget = WaitBudget(settings.queue_timeout, settings.hold_timeout)
    headers = upstream_headers(request.headers, request_id.get())
    return Call(request[TIMELINE], budget, headers, streams=streams, expected_size=request.content_length)


async def expect_continue(request: web.Request) -> web.StreamResponse | None:
    """Handle `Expect: 100-continue`: a request is rejected before its body is sent, where the headers suffice."""
    service = request.app[SERVICE]
    try:
        if request.headers.get("Expect", "").lower() != "100-continue":
            raise Problem("bad_request", "The Expect header must be 100-continue.")
        service.keys.check(request.headers)
        service.admission.check()
        if request.path not in _JSON_ROUTES:
            check_form(request.headers, service.upload_rules.limits)
    except Problem as problem:
        response = problem_response(request, problem, request_id_of(request.headers))
        response.force_close()
        return response
    if request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    return None
