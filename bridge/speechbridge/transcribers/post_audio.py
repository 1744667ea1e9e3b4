"""Send audio to a pod as multipart/form-data while it arrives."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NoReturn

from speechbridge.audio.port import RestartRequired
from speechbridge.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from speechbridge.audio.port import Audio
    from speechbridge.upstreams.acquisition import QueuedExchange
    from speechbridge.upstreams.connection import Connection

    Fields = Iterable[tuple[str, str]]

_CRLF = "\r\n"
_WRITE_BYTES = 256 * 1024
_EXPECT = "Expect: 100-continue\r\n"
_BOUNDARY = secrets.token_hex(16)  # one for all requests: no sender of a recording ever sees it
_ESCAPES = str.maketrans({'"': "%22", "\r": "%0D", "\n": "%0A", "\0": "%00"})


@dataclass(frozen=True)
class AudioForm:
    """A form with one file.

    Attributes:
        audio: The file; may still be arriving.
        file_field: Name of its field.
        early_fields: The fields before it.
        late_fields: Returns the fields after it, once its last byte has been sent.
    """

    audio: Audio
    file_field: str
    early_fields: Fields = ()
    late_fields: Callable[[], Fields] = tuple

    @property
    def opening(self) -> bytes:
        """What precedes the file.

        The file name is neutral except for its extension: servers require a name, and the client's may be confidential.
        """
        content_type = self.audio.content_type.translate(_ESCAPES) or "application/octet-stream"
        return (
            f"{''.join(f'{_part(*field)}{_CRLF}' for field in self.early_fields)}"
            f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{self.file_field}"; '
            f'filename="{_neutral_name(self.audio)}"\r\nContent-Type: {content_type}\r\n\r\n'
        ).encode()

    def closing(self) -> bytes:
        """Return what follows the file; raises what `late_fields` does."""
        parts = [f"{_CRLF}{_part(name, value)}" for name, value in self.late_fields()]
        return ("".join(parts) + f"{_CRLF}--{_BOUNDARY}--{_CRLF}").encode()


async def post_audio(exchange: QueuedExchange, path: str, headers: str, form: AudioForm) -> None:
    """Send a form; stops early if the pod takes no more of it (see `begin_post`)."""
    send = await begin_post(exchange, path, headers, form)
    if send is not None:
        await send()


async def begin_post(
    exchange: QueuedExchange, path: str, headers: str, form: AudioForm
) -> Callable[[], Awaitable[None]] | None:
    """Ask a pod to take a form; return what sends it, None if the pod has responded.

    `Expect: 100-continue` is sent to a pod that reports its load: it queues the request with those of other bridges,
    and asks for the audio when it has room. It is also sent to a pod that was busy a moment ago, and with audio that is
    still arriving, little of which is buffered for a retry: if the pod rejects the request, no audio is lost.
    """
    opening, size = form.opening, form.audio.size
    headers = f"{headers}Content-Type: multipart/form-data; boundary={_BOUNDARY}\r\n"
    closing = form.closing() if size is not None else b""
    length = None if size is None else len(opening) + size + len(closing)
    if exchange.audio_seconds > 0:
        headers += f"Speech-Audio-Seconds: {exchange.audio_seconds:.3f}\r\n"
    endpoint = exchange.endpoint
    asks = endpoint.reports_load or endpoint.health.busy or length is None
    head = endpoint.head("POST", path, f"{headers}{_EXPECT}" if asks else headers, length)
    if asks:
        await exchange.ask(head)
        if exchange.connection.answered:
            return None
    else:
        exchange.begin()
    connection = exchange.connection
    connection.begin_body()
    if length is None:
        return partial(_send_chunked, connection, opening, form)
    return partial(_send_sized, connection, [opening] if asks else [head, opening], form.audio, closing)


async def _send_chunked(connection: Connection, opening: bytes, form: AudioForm) -> None:
    """Forward what arrives, chunk by chunk."""
    connection.send(_frame(opening))
    async for chunk in form.audio.chunks():
        if connection.takes_no_more:
            return
        connection.send(b"%x\r\n" % len(chunk), chunk, b"\r\n")
        if connection.congested:
            await connection.drain()
    if connection.takes_no_more:
        return
    connection.send(_frame(form.closing()), b"0\r\n\r\n")
    connection.finish_body()


async def _send_sized(connection: Connection, head: list[bytes], audio: Audio, closing: bytes) -> None:
    """Send a complete recording in few, large writes; a short one in a single write, with the head."""
    whole = audio.whole
    if whole is not None and sum(map(len, whole)) <= _WRITE_BYTES:
        if not connection.takes_no_more:
            connection.send(*head, *whole, closing)
            connection.finish_body()
        return
    pending, size = head, 0
    async for chunk in audio.chunks():
        pending.append(chunk)
        size += len(chunk)
        if size >= _WRITE_BYTES:
            connection.send(*pending)
            pending, size = [], 0
            if connection.congested:
                await connection.drain()
        if connection.takes_no_more:
            return
    connection.send(*pending, closing)
    connection.finish_body()


def _frame(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


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
