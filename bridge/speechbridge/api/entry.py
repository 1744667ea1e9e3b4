"""What the routes for audio and chat share: admission, the deadline, the form."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from speechbridge.api.middleware import CALLER, TIMELINE, rejected
from speechbridge.audio.headers.excerpt import Excerpt
from speechbridge.audio.port import excerpt_of
from speechbridge.deadline import Deadline
from speechbridge.errors import Problem
from speechbridge.intake.body import Body
from speechbridge.intake.form import check_form
from speechbridge.intake.json_request import read_object
from speechbridge.intake.upload import memory_for, open_form
from speechbridge.service import SERVICE
from speechbridge.stages.call import Call
from speechbridge.telemetry.logs import request_id
from speechbridge.telemetry.timeline import upstream_headers
from speechbridge.wait_budget import WaitBudget

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp import web

    from speechbridge.intake.upload import Upload
    from speechbridge.service import Service

_CERTAINTY = 1.25  # how much longer than what fits a recording must be: Whisper's speed varies
_JSON_ROUTES = frozenset({"/v1/chat/completions", "/v1/responses"})


@asynccontextmanager
async def arriving(request: web.Request, call: Call) -> AsyncIterator[Service]:
    """Let a request in for the duration of the block, which its deadline limits.

    Raises:
        Problem: `overloaded`, `stopping` or `deadline_exceeded`.
    """
    service = request.app[SERVICE]
    try:
        async with call.deadline:
            with service.admission.arrival(call.caller):
                yield service
    except TimeoutError:
        if not call.deadline.expired:
            raise
        raise Problem("deadline_exceeded", call.deadline.expired) from None


@asynccontextmanager
async def working(service: Service, call: Call) -> AsyncIterator[None]:
    """Work on a request for the duration of the block, once it is its turn; the total time counts from here.

    Raises:
        Problem: `overloaded`.
    """
    async with service.admission.admit(call.budget, call.caller) as call.slot:
        call.timeline.queued += call.slot.waited
        call.deadline.begin()
        yield


@asynccontextmanager
async def uploaded(request: web.Request, service: Service, call: Call) -> AsyncIterator[Upload]:
    """Read the form of a request until its recording begins; discard it after the block.

    Raises:
        Problem: The body is neither a form nor a recording, or has none; the recording is too long; there is no memory
            for it.
    """
    rules, budgets = service.upload_rules, service.budgets
    query = {name: request.query.getall(name) for name in request.query}
    upload = open_form(request.content, request.headers, query, rules, service.pace, budgets, call.deadline.progress)
    try:
        with budgets.memory.held() as share:
            share.grow_to(memory_for(request.content_length, rules.limits))
            await upload.start()
            call.deadline.recording(lambda: _audio_seconds(service, upload, call))
            _check_duration(service, upload, call)
            yield upload
    finally:
        upload.close()
        if upload.received:
            service.metrics.upload_bytes.labels().observe(upload.received)


def _audio_seconds(service: Service, upload: Upload, call: Call) -> float:
    """Estimate the duration of a recording that may still be arriving, or of which segments are known."""
    estimate = service.durations.of(excerpt_of(upload, call.expected_size)).seconds
    return max(estimate, call.segments[-1].end) if call.segments else estimate


def _check_duration(service: Service, upload: Upload, call: Call) -> None:
    """Reject a recording that cannot be transcribed in time, as far as its header and Whisper's speed are known."""
    size, pace = upload.size or call.expected_size, service.backlog.measured_pace
    if not size or pace is None:
        return
    duration = service.durations.of(Excerpt(upload.head, size, upload.tail))
    longest = service.time_limits.longest_audio(pace)
    if duration.known and duration.seconds > _CERTAINTY * longest:
        raise Problem(
            "audio_too_long",
            f"The recording of {duration.seconds:.0f} s cannot be transcribed within its"
            f" {service.time_limits.total(duration.seconds):.0f} s; up to {longest:.0f} s of audio can.",
            param="file",
        )


@asynccontextmanager
async def json_object(request: web.Request, service: Service, call: Call, hint: str) -> AsyncIterator[dict[str, Any]]:
    """Read the JSON object in the body of a request; it has its share of the memory until the block ends.

    Args:
        request: The request.
        service: The service.
        call: The request, as the stages see it.
        hint: What the object should have, for the error message.

    Raises:
        Problem: `upload_too_large`, `bad_json`, or `overloaded`: there is no memory for it; or its sender is too slow.
    """
    body = Body(request.content, service.pace, call.timeline.clock, call.deadline.progress)
    with service.budgets.memory.held() as memory:
        yield await read_object(body, service.settings.max_json_bytes, request.content_length, memory, hint)


def call_of(request: web.Request, *, streams: bool) -> Call:
    """Return the request as the stages see it."""
    service = request.app[SERVICE]
    settings = service.settings
    return Call(
        request[TIMELINE],
        WaitBudget(settings.queue_timeout, settings.hold_timeout),
        Deadline(service.time_limits),
        upstream_headers(request.headers, request_id.get()),
        streams=streams,
        caller=request.get(CALLER, ""),
        expected_size=request.content_length,
    )


async def expect_continue(request: web.Request) -> web.StreamResponse | None:
    """Handle `Expect: 100-continue`: a request is rejected before its body is sent, where the headers suffice.

    aiohttp calls this before the middleware, which then measures and logs the rejection only if it is told so.
    """
    service = request.app[SERVICE]
    try:
        if request.headers.get("Expect", "").lower() != "100-continue":
            raise Problem("bad_request", "The Expect header must be 100-continue.")
        service.admission.check(service.keys.check(request.headers))
        if request.path not in _JSON_ROUTES:
            check_form(request.headers, service.upload_rules.limits)
    except Problem as problem:
        response = rejected(request, problem)
        response.force_close()
        return response
    if request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    return None
