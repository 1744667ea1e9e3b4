"""Send audio to a pod as multipart/form-data while it arrives."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, NoReturn

from speechbridge.audio.port import RestartRequired
from speechbridge.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from speechbridge.audio.port import Audio
    from speechbridge.upstreams.acquisition import QueuedExchange
    from speechbridge.upstreams.connection import Connection

    Fields = Iterable[tuple[str, str]]

_CRLF = "\r\n"
_WRITE_BYTES = 256 * 1024
_EXPECT = "Expect: 100-continue\r\n"
_BOUNDARY = secrets.token_hex(16)  # one for all requests: no sender of a recording ever sees it
_ESCAPES = str.maketrans({'"': "%22", "\r": "%0D", "\n": "%0A", "\0": "%00"})


async def post_audio(
    exchange: QueuedExchange,
    path: str,
    headers: str,
    audio: Audio,
    *,
    file_field: str,
    early_fields: Fields = (),
    late_fields: Callable[[], Fields] = tuple,
) -> None:
    """Send a form: early fields, one file, and the fields received by the time its last byte has been sent.

    Stops early if the pod responds before it has read everything. The file name is neutral except for its extension:
    servers require a name, and the client's may be confidential.

    `Expect: 100-continue` is sent to a pod that reports its load: it queues the request with those of other bridges,
    and asks for the audio when it has room. It is also sent to a pod that was busy a moment ago, and with audio that is
    still arriving, little of which is buffered for a retry: if the pod rejects the request, no audio is lost.
    """
    content_type = audio.content_type.translate(_ESCAPES) or "application/octet-stream"
    opening = (
        f"{''.join(f'{_part(*field)}{_CRLF}' for field in early_fields)}"
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{file_field}"; filename="{_neutral_name(audio)}"\r\n'
        f"Content-Type: {content_type}\r\n\r\n"
    ).encode()
    headers = f"{headers}Content-Type: multipart/form-data; boundary={_BOUNDARY}\r\n"
    closing = _closing(late_fields()) if audio.size is not None else b""
    length = len(opening) + audio.size + len(closing) if audio.size is not None else None
    if exchange.audio_seconds > 0:
        headers += f"Speech-Audio-Seconds: {exchange.audio_seconds:.3f}\r\n"
    endpoint = exchange.endpoint
    asks = endpoint.reports_load or endpoint.health.busy or length is None
    head = endpoint.head("POST", path, f"{headers}{_EXPECT}" if asks else headers, length)
    if asks:
        await exchange.ask(head)
        if exchange.connection.answered:
            return
    else:
        exchange.begin()
    connection = exchange.connection
    connection.begin_body()
    if length is not None:
        sent = await _send_sized(connection, [opening] if asks else [head, opening], audio, closing)
    else:
        sent = await _send_chunked(connection, opening, audio, late_fields)
    if sent:
        connection.finish_body()


async def _send_chunked(
    connection: Connection, opening: bytes, audio: Audio, late_fields: Callable[[], Fields]
) -> bool:
    """Forward what arrives, chunk by chunk; return whether everything was sent."""
    connection.send(_frame(opening))
    async for chunk in audio.chunks():
        if connection.answered:
            return False
        connection.send(b"%x\r\n" % len(chunk), chunk, b"\r\n")
        if connection.congested:
            await connection.drain()
    if connection.answered:
        return False
    connection.send(_frame(_closing(late_fields())), b"0\r\n\r\n")
    return True


async def _send_sized(connection: Connection, head: list[bytes], audio: Audio, closing: bytes) -> bool:
    """Send a complete recording in few, large writes; return whether everything was sent."""
    pending, size = head, 0
    async for chunk in audio.chunks():
        pending.append(chunk)
        size += len(chunk)
        if size >= _WRITE_BYTES:
            connection.send(*pending)
            pending, size = [], 0
            if connection.congested:
                await connection.drain()
        if connection.answered:
            return False
    connection.send(*pending, closing)
    return True


def _frame(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _closing(fields: Fields) -> bytes:
    parts = [f"{_CRLF}{_part(name, value)}" for name, value in fields]
    return ("".join(parts) + f"{_CRLF}--{_BOUNDARY}--{_CRLF}").encode()


def _part(name: str, value: str) -> str:
    return f'--{_BOUNDARY}{_CRLF}Content-Disposition: form-data; name="{name}"{_CRLF}{_CRLF}{value}'


def restart(audio: Audio, example: str) -> NoReturn:
    """Restart with an option that arrived after the file, if the audio is still buffered.

    Args:
        audio: The recording, sent without the option.
        example: Name of an option that this can happen to.

    Raises:
        RestartRequired: The audio can be sent again.
        Problem: `field_after_file`.
    """
    if audio.replayable:
        raise RestartRequired
    raise Problem("field_after_file", f"If the file is large, send '{example}' and the other options before it.")


def _neutral_name(audio: Audio) -> str:
    ending = audio.filename.rpartition(".")[2].lower() if "." in audio.filename else ""
    return f"audio.{ending}" if ending.isalnum() and ending.isascii() and len(ending) <= len("matroska") else "audio"
