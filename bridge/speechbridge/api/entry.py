"""What the routes for audio and chat share: admission, the deadline, the form."""

from __future__ import annotations

import asyncio
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from speechbridge.api.middleware import STATE, rejected
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
    from types import TracebackType

    from aiohttp import web

    from speechbridge.intake.upload import Upload
    from speechbridge.service import Service

_JSON_ROUTES = frozenset({"/v1/chat/completions", "/v1/responses"})


class Arriving:
    """Lets a request in for the duration of a block, which its deadline limits.

    Entering it raises Problem `overloaded` or `stopping`, leaving it `deadline_exceeded`.
    """

    def __init__(self, service: Service, call: Call) -> None:
        self._service = service
        self._call = call

    async def __aenter__(self) -> None:
        self._service.admission.arrive(self._call.caller)
        try:
            await self._call.deadline.__aenter__()
        except BaseException:
            self._service.admission.leave()
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        deadline = self._call.deadline
        timed_out = isinstance(error, TimeoutError)
        try:
            await deadline.__aexit__(kind, error, trace)
        except TimeoutError:
            timed_out = True
        finally:
            self._service.admission.leave()
        if timed_out and deadline.expired:
            raise Problem("deadline_exceeded", deadline.expired) from None


class Working:
    """Works on a request for the duration of a block, once it is its turn; the total time counts from here.

    Entering it raises Problem `overloaded`.
    """

    def __init__(self, service: Service, call: Call) -> None:
        self._slot = service.admission.admit(call.budget, call.caller)
        self._service = service
        self._call = call

    async def __aenter__(self) -> None:
        call, service = self._call, self._service
        if call.trace is not None and call.transcribes:
            call.trace.received()
        if service.admission.full:
            await self._wait()
        else:
            self._slot.take_now()
        call.slot = self._slot
        call.timeline.queued += call.slot.waited
        try:
            call.deadline.begin()
        except BaseException:
            self._slot.give()
            raise

    async def _wait(self) -> None:
        """Wait for a turn, counted as demand for what comes first."""
        call, service = self._call, self._service
        since, error_type = call.timeline.clock(), ""
        stage = service.transcription if call.transcribes else service.generation
        try:
            with stage.demand.held(call.deadline.audio_seconds):
                await self._slot.__aenter__()
        except asyncio.CancelledError:
            error_type = "deadline" if call.deadline.expired else "cancelled"
            raise
        except Problem as problem:
            error_type = problem.code
            raise
        finally:
            if call.trace is not None:
                call.trace.waited("queue", "admission", since, error_type)

    async def __aexit__(self, *_: object) -> None:
        self._slot.give()


def announced(service: Service, call: Call) -> AbstractContextManager[object]:
    """Return a block in which a request with a recording counts as coming to the language model, until it gets there.

    That includes the waits for the sender, a slot for work and a pod: the language model can start meanwhile.
    """
    if not call.transcribes:
        return nullcontext()
    coming = service.generation.demand.announced()
    call.on_transcribed = coming.come
    return coming


class Uploaded:
    """Reads the form of a request until its recording begins; discards it after the block.

    Args:
        request: The request.
        service: The service.
        call: The request, as the stages see it.

    Raises:
        Problem: The body is neither a form nor a recording, or has none; the recording is too long; there is no memory
            for it.
    """

    def __init__(self, request: web.Request, service: Service, call: Call) -> None:
        query = {name: request.query.getall(name) for name in request.query}
        rules, budgets, progress = service.upload_rules, service.budgets.of(call.caller), call.deadline.progress
        self._upload = open_form(request.content, request.headers, query, rules, service.pace, budgets, progress)
        self._share = budgets.memory.held()
        self._service = service
        self._call = call

    async def __aenter__(self) -> Upload:
        service, upload, call = self._service, self._upload, self._call
        try:
            self._share.grow_to(memory_for(call.expected_size, service.upload_rules.limits))
            await upload.start()
            call.deadline.recording(lambda: _audio_seconds(service, upload, call))
            if size := upload.size or call.expected_size:
                service.transcription.check_in_time([Excerpt(upload.head, size, upload.tail)], call)
        except BaseException:
            self._close()
            raise
        return upload

    async def __aexit__(self, *_: object) -> None:
        self._close()

    def _close(self) -> None:
        self._share.close()
        self._upload.close()
        if self._upload.received:
            self._service.metrics.upload_bytes.observe(self._upload.received)


async def buffered(service: Service, upload: Upload, call: Call) -> None:
    """Wait until enough of a recording has arrived for a pod.

    Raises:
        Problem: `audio_too_long`: it is complete by then, and cannot be transcribed in time.
    """
    await service.transcription.buffer(upload)
    if upload.size is not None:
        service.transcription.check_in_time([excerpt_of(upload, None)], call)


def _audio_seconds(service: Service, upload: Upload, call: Call) -> float:
    """Estimate the duration of a recording that may still be arriving, or of which segments are known."""
    estimate = service.durations.of(excerpt_of(upload, call.expected_size)).seconds
    return max(estimate, call.segments[-1].end) if call.segments else estimate


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
    with service.budgets.memory.of(call.caller).held() as memory:
        yield await read_object(body, service.settings.max_json_bytes, _declared_size(request), memory, hint)


def call_of(request: web.Request, service: Service, *, streams: bool) -> Call:
    """Return the request as the stages see it."""
    settings, state = service.settings, request[STATE]
    context = request.headers if state.trace is None else {}  # a traced attempt has a context of its own
    return Call(
        state.timeline,
        WaitBudget(settings.queue_timeout, settings.hold_timeout),
        Deadline(service.time_limits),
        upstream_headers(context, request_id.get()),
        trace=state.trace,
        streams=streams,
        caller=state.caller,
        expected_size=_declared_size(request),
    )


def _declared_size(request: web.Request) -> int | None:
    """Return the size of the body in bytes if the headers reveal it: not if it is compressed, which aiohttp undoes."""
    return None if "Content-Encoding" in request.headers else request.content_length


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
