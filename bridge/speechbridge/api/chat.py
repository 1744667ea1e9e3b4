"""`POST /v1/chat/completions`: OpenAI's API, forwarded; recordings in messages are transcribed first."""

from __future__ import annotations

import json
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from aiohttp import web

from speechbridge.api.chat_recordings import has_recordings, without_recordings
from speechbridge.api.chat_request import check_chat, model_in
from speechbridge.api.entry import Arriving, Working, announced, call_of, expect_continue, json_object
from speechbridge.api.event_stream import EventStream
from speechbridge.api.middleware import record_failure
from speechbridge.api.problem_documents import openai_document
from speechbridge.audio.port import excerpt_of
from speechbridge.errors import Problem
from speechbridge.generators.forwarding import Head
from speechbridge.generators.prompt import marked_transcript
from speechbridge.off_loop import off_loop
from speechbridge.service import SERVICE
from speechbridge.stages.answer import silence_in, warnings_of
from speechbridge.transcribers.port import TranscriptionOptions

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from speechbridge.audio.port import AudioBytes
    from speechbridge.service import Service
    from speechbridge.stages.call import Call


def add_routes(app: web.Application) -> None:
    """Add the route."""
    app.router.add_post("/v1/chat/completions", completions, expect_handler=expect_continue)


async def completions(request: web.Request) -> web.StreamResponse:
    """Transcribe the recordings in the messages, then forward the request."""
    service = request.app[SERVICE]
    call = call_of(request, service, streams=False)
    stream = EventStream(request)
    try:
        async with (
            Arriving(service, call),
            stream,
            json_object(request, service, call, "'messages'") as body,
        ):
            check_chat(body, media_urls=service.settings.forward_media_urls)
            call.streams = body.get("stream") is True
            call.transcribes = has_recordings(body["messages"])
            if call.streams:
                call.on_accepted = stream.accepted
                call.on_starting = stream.starting
                stream.keep_alive()
            with announced(service, call):
                async with Working(service, call):
                    model = await chosen_model(service, body)
                    warnings: list[dict[str, str]] = []
                    async with aclosing(completion(service, model, body, call, warnings)) as items:
                        return await _forward(stream, items, call, warnings)
    except Problem as problem:
        if not stream.started:
            raise
        record_failure(request, problem)
        await stream.send(f"data: {json.dumps(openai_document(problem))}\n\n".encode())
        return stream.response


async def chosen_model(service: Service, body: dict[str, Any]) -> str:
    """Return the model that answers a request.

    Raises:
        Problem: `model_not_found`, or `generator_unavailable`: there is no default.
    """
    model = await service.catalog.choose(model_in(body))
    if model is None:
        raise Problem("generator_unavailable", "The language model server does not list its models.")
    return model


async def completion(
    service: Service, model: str, body: dict[str, Any], call: Call, warnings: list[dict[str, str]]
) -> AsyncGenerator[Head | bytes]:
    """Transcribe the recordings in the messages, then yield the model server's response as `Generation.forward` does.

    Args:
        service: The service.
        model: The language model.
        body: The request.
        call: The request, as the stages see it.
        warnings: Those about the recordings are added to it.

    Raises:
        Problem: A recording or a stage failed.
    """

    def check(recordings: list[AudioBytes]) -> None:
        service.transcription.check_in_time([excerpt_of(recording, None) for recording in recordings], call, "messages")

    async def transcribe(recording: AudioBytes) -> str:
        call.deadline.extend(service.durations.of(excerpt_of(recording, None)).seconds)
        transcript = await service.transcription.transcript(recording, TranscriptionOptions, call)
        warnings.extend(warnings_of(transcript))
        silence = silence_in(transcript)
        return f"({silence}.)" if silence else marked_transcript(transcript.text)

    messages = await without_recordings(body["messages"], check, transcribe)
    call.on_transcribed()
    forwarded = service.generation.forward(model, {**body, "model": model, "messages": messages}, call)
    async with aclosing(forwarded) as items:
        async for item in items:
            yield item


async def _forward(
    stream: EventStream, items: AsyncGenerator[Head | bytes], call: Call, warnings: list[dict[str, str]]
) -> web.StreamResponse:
    content_type = "application/json"
    whole: list[bytes] = []
    async for item in items:
        if isinstance(item, Head):
            content_type, whole = item.content_type, []  # discards the start of a failed pod's response
        elif call.streams:
            await stream.send(item)
        else:
            whole.append(item)
    if call.streams:
        return stream.response
    body = b"".join(whole)
    if call.transcribes:
        body = await off_loop(len(body), _with_warnings, body, warnings)
    return web.Response(body=body, headers={"Content-Type": content_type})


def _with_warnings(body: bytes, warnings: list[dict[str, str]]) -> bytes:
    """Return a completion with the warnings about its recordings; as it is if it is not a JSON object."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return body
    return json.dumps({**answer, "warnings": warnings}).encode() if isinstance(answer, dict) else body
