"""`POST /v1/responses`: OpenAI's Responses API for text and recordings, without stored state.

Model servers that lack this route have `/v1/chat/completions`: requests and responses are translated.
"""

from __future__ import annotations

import json
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from aiohttp import web

from speechbridge.api.chat import chosen_model, completion
from speechbridge.api.chat_recordings import has_recordings
from speechbridge.api.chat_request import check_chat
from speechbridge.api.entry import Arriving, Working, announced, call_of, expect_continue, json_object
from speechbridge.api.event_stream import EventStream
from speechbridge.api.middleware import record_failure
from speechbridge.api.responses_input import chat_body
from speechbridge.api.responses_output import Response
from speechbridge.errors import Problem
from speechbridge.generators.forwarding import Head
from speechbridge.service import SERVICE
from speechbridge.upstreams import sse

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable

_DONE = "[DONE]"


def add_routes(app: web.Application) -> None:
    """Add the route."""
    app.router.add_post("/v1/responses", responses, expect_handler=expect_continue)


async def responses(request: web.Request) -> web.StreamResponse:
    """Transcribe the recordings in the input, and answer with the chat completion of the model server."""
    service = request.app[SERVICE]
    call = call_of(request, service, streams=False)
    stream = EventStream(request)
    answer: Response | None = None
    try:
        async with (
            Arriving(service, call),
            stream,
            json_object(request, service, call, "'input'") as sent,
        ):
            body = chat_body(sent)
            check_chat(body, media_urls=service.settings.forward_media_urls)
            call.streams = body.get("stream") is True
            call.transcribes = has_recordings(body["messages"])
            with announced(service, call):
                async with Working(service, call):
                    model = await chosen_model(service, body)
                    warnings: list[dict[str, str]] = []
                    answer = Response(sent, model, warnings if call.transcribes else None)
                    if call.streams:
                        call.on_accepted = stream.accepted
                        call.on_starting = stream.starting
                        stream.keep_alive()
                    async with aclosing(completion(service, model, body, call, warnings)) as items:
                        if call.streams:
                            return await _stream(stream, items, answer)
                        return await _whole(items, answer)
    except Problem as problem:
        reported = _of_input(problem)
        if answer is None or not stream.started:
            raise reported from None
        record_failure(request, reported)
        await _send(stream, answer.fail(reported))
        return stream.response


async def _whole(items: AsyncGenerator[Head | bytes], answer: Response) -> web.Response:
    body: list[bytes] = []
    async for item in items:
        if isinstance(item, Head):
            body = []  # discards the start of a failed pod's response
        else:
            body.append(item)
    for _event in (*answer.add(_parsed(b"".join(body))), *answer.finish()):
        pass  # the document has what the events would say
    return web.json_response(answer.document(answer.status))


async def _stream(stream: EventStream, items: AsyncGenerator[Head | bytes], answer: Response) -> web.StreamResponse:
    streams = True
    async for item in items:
        if isinstance(item, Head):
            streams = item.content_type.startswith("text/event-stream")
            await _send(stream, answer.begin())
            continue
        for chunk in _data(item) if streams else [item]:
            await _send(stream, answer.add(_parsed(chunk)))
    await _send(stream, answer.finish())
    return stream.response


async def _send(stream: EventStream, events: Iterable[bytes]) -> None:
    if data := b"".join(events):
        await stream.send(data)


def _data(events: bytes) -> list[str]:
    """Return the data of whole events."""
    try:
        return [event.data for event in sse.Parser().feed(events) if event.data != _DONE]
    except ValueError:
        raise Problem("generator_bad_answer", "The language model's event stream is malformed.") from None


def _parsed(text: bytes | str) -> dict[str, Any]:
    try:
        item = json.loads(text)
    except (ValueError, RecursionError):
        item = None
    if not isinstance(item, dict):
        raise Problem("generator_bad_answer", "The language model's response is not a JSON object.")
    return item


def _of_input(problem: Problem) -> Problem:
    """Return a problem of the chat's messages as one of the input."""
    if problem.param != "messages":
        return problem
    return Problem(problem.code, problem.detail.replace("The messages have", "The input has"), param="input")
