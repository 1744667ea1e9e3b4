"""What the routes that take work have in common: being let in, the deadline, the form."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from speechbridge.api.middleware import TIMELINE
from speechbridge.api.problem_documents import problem_response
from speechbridge.errors import Problem
from speechbridge.intake.body import Body
from speechbridge.intake.form import Upload, check_declared_length
from speechbridge.service import SERVICE
from speechbridge.stages.attempt import Call
from speechbridge.telemetry.logs import request_id
from speechbridge.telemetry.timeline import passed_on, request_id_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp import web

    from speechbridge.service import Service


@asynccontextmanager
async def admitted(request: web.Request) -> AsyncIterator[Service]:
    """Let a request in, and hold it to its deadline, which counts from when its head was read.

    Raises:
        Problem: `overloaded`, `stopping` or `deadline_exceeded`.
    """
    service = request.app[SERVICE]
    timeline = request[TIMELINE]
    limit = service.settings.request_timeout
    try:
        async with asyncio.timeout(limit), service.admission.admit():
            timeline.queued = timeline.clock() - timeline.started
            yield service
    except TimeoutError:
        raise Problem("deadline_exceeded", f"The request took longer than the {limit:g} s allowed.") from None


@asynccontextmanager
async def uploaded(request: web.Request, service: Service) -> AsyncIterator[Upload]:
    """Read the form of a request up to its recording.

    Raises:
        Problem: It is no form, or it has no recording.
    """
    check_form(request, service)
    body = body_of(request, service)
    upload = Upload(body, request.headers["Content-Type"], service.upload_rules, service.spool_budget)
    try:
        await upload.open()
        yield upload
    finally:
        upload.close()
        if upload.received:
            service.metrics.upload_bytes.observe(upload.received)


def body_of(request: web.Request, service: Service) -> Body:
    """Return the body of a request, whose sender has to keep the service's pace."""
    return Body(request.content, service.pace, request[TIMELINE].clock)


def check_form(request: web.Request, service: Service) -> None:
    """Refuse by its headers what cannot be a form, or is too large; raises Problem."""
    # Not `request.content_type`: it is read with the email package, which makes three classes for each header that is
    # new to it, and every form has a boundary of its own.
    media_type = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if media_type != "multipart/form-data":
        raise Problem(
            "unsupported_media_type",
            "Send the recording as multipart/form-data, in the field 'file'; "
            f"this is {media_type[:80] or 'of no content type'}.",
        )
    check_declared_length(request.content_length, service.upload_rules)


def call_of(request: web.Request, *, streams: bool) -> Call:
    """Return what follows this request through the pipeline."""
    headers = passed_on(request.headers, request_id.get())
    return Call(request[TIMELINE], headers, streams=streams, expected_size=request.content_length)


async def expect_continue(request: web.Request) -> web.StreamResponse | None:
    """Answer `Expect: 100-continue`: the refusal, where there is one to give, comes before the body is sent."""
    service = request.app[SERVICE]
    try:
        if request.headers.get("Expect", "").lower() != "100-continue":
            raise Problem("bad_request", "The header Expect may only be 100-continue.")
        service.keys.check(request.headers)
        service.admission.check()
        if request.path != "/v1/chat/completions":
            check_form(request, service)
    except Problem as problem:
        response = problem_response(request, problem, request_id_of(request.headers))
        response.force_close()
        return response
    if request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    return None
