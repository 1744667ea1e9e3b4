"""`POST /v1/chat/completions`: OpenAI's API, forwarded; recordings in messages are transcribed first."""

from __future__ import annotations

import base64
import json
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from aiohttp import web

from speechbridge.api.entry import arriving, body_of, call_of, expect_continue, working
from speechbridge.api.event_stream import EventStream
from speechbridge.api.middleware import record_failure
from speechbridge.api.problem_documents import openai_document
from speechbridge.audio.port import AudioBytes, estimated_duration
from speechbridge.errors import Problem
from speechbridge.generators.forwarding import Head
from speechbridge.generators.prompt import marked_transcript
from speechbridge.intake.json_body import read_object
from speechbridge.transcribers.port import TranscriptionOptions

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from speechbridge.service import Service
    from speechbridge.stages.call import Call

_AUDIO_PART = "input_audio"


def add_routes(app: web.Application) -> None:
    """Add the route."""
    app.router.add_post("/v1/chat/completions", completions, expect_handler=expect_continue)


async def completions(request: web.Request) -> web.StreamResponse:
    """Transcribe the recordings in the messages, then forward the request."""
    call = call_of(request, streams=False)
    stream = EventStream(request)
    try:
        async with arriving(request, call) as service:
            with service.budgets.memory.held() as memory:
                limit = service.settings.max_json_bytes
                body = await read_object(body_of(request, service, call), limit, request.content_length, memory)
                call.streams = body.get("stream") is True
                messages, named = _checked_messages(body), _checked_model(body)
                async with working(service, call):
                    model = await service.catalog.choose(named)
                    if model is None:
                        raise Problem("generator_unavailable", "The language model server does not list its models.")
                    body["model"] = model
                    body["messages"] = [await _without_audio(message, service, call) for message in messages]
                    return await _forward(stream, service.generation.forward(model, body, call), call)
    except Problem as problem:
        if not stream.started:
            raise
        record_failure(request, problem)
        await stream.send(f"\ndata: {json.dumps(openai_document(problem))}\n\n".encode())
        return stream.response


async def _forward(stream: EventStream, items: AsyncGenerator[Head | bytes], call: Call) -> web.StreamResponse:
    content_type = "application/json"
    whole: list[bytes] = []
    line = b""
    async with stream, aclosing(items):
        async for item in items:
            if isinstance(item, Head):
                content_type, whole = item.content_type, []  # discards the start of a failed pod's response
            elif call.streams:  # whole lines only, so that an error event can follow
                lines, end, line = (line + item).rpartition(b"\n")
                if end:
                    await stream.send(lines + end)
            else:
                whole.append(item)
    if call.streams:
        await stream.send(line)
        return stream.response
    return web.Response(body=b"".join(whole), headers={"Content-Type": content_type})


async def _without_audio(message: dict[str, Any], service: Service, call: Call) -> dict[str, Any]:
    """Return the message with each recording replaced by its transcript, delimited as data."""
    content = message.get("content")
    if not isinstance(content, list) or not any(_is_audio(part) for part in content):
        return message
    parts = []
    for part in content:
        if _is_audio(part):
            text = await _transcribed(part, service, call)
            parts.append({"type": "text", "text": marked_transcript(text)})
        else:
            parts.append(part)
    if all(part["type"] == "text" for part in parts):
        return {**message, "content": "\n\n".join(str(part.get("text", "")) for part in parts)}
    return {**message, "content": parts}


async def _transcribed(part: dict[str, Any], service: Service, call: Call) -> str:
    audio = part.get(_AUDIO_PART)
    if not isinstance(audio, dict) or not isinstance(audio.get("data"), str):
        raise Problem("bad_field", "An input_audio part requires 'data': the recording in base64.", param="messages")
    ending = audio.get("format", "bin")
    if not isinstance(ending, str):
        raise Problem("bad_field", "The format of an input_audio part must be a string, such as wav.", param="messages")
    try:
        data = base64.b64decode(audio["data"], validate=True)
    except ValueError:  # also binascii.Error; raised for non-ASCII text too
        raise Problem("bad_field", "The data of an input_audio part is not valid base64.", param="messages") from None
    if not data:
        raise Problem("empty_file", "The data of an input_audio part is empty.", param="messages")
    recording = AudioBytes(data, f"audio.{ending}", "application/octet-stream")
    call.deadline.extend(estimated_duration(recording, None))
    transcript = await service.transcription.transcript(recording, TranscriptionOptions, call)
    return transcript.text


def _checked_messages(body: dict[str, Any]) -> list[dict[str, Any]]:
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages or not all(isinstance(item, dict) for item in messages):
        raise Problem("bad_field", "'messages' must be a list with at least one message.", param="messages")
    if not all(isinstance(item.get("role"), str) for item in messages):
        raise Problem("bad_field", "Each message requires a 'role', such as user.", param="messages")
    for item in messages:
        _check_content(item.get("content"))
    return messages


def _check_content(content: Any) -> None:
    """Reject content that is neither text nor parts; except recordings, parts are validated by the model server."""
    parts = content if isinstance(content, list) else []
    if not isinstance(content, str | list | None) or not all(
        isinstance(part, dict) and isinstance(part.get("type"), str) for part in parts
    ):
        raise Problem(
            "bad_field",
            "The 'content' of a message must be text, or a list of parts with a 'type' each.",
            param="messages",
        )


def _checked_model(body: dict[str, Any]) -> str | None:
    model = body.get("model")
    if model is not None and not isinstance(model, str):
        raise Problem("bad_field", "'model' must be a string.", param="model")
    if not isinstance(body.get("stream", False), bool | None):
        raise Problem("bad_field", "'stream' must be true or false.", param="stream")
    return model or None


def _is_audio(part: Mapping[str, object]) -> bool:
    return part["type"] == _AUDIO_PART
