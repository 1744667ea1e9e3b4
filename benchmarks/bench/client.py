"""The client: one kept connection, a plain socket, whole requests prepared beforehand; it costs next to nothing."""

from __future__ import annotations

import random
import re
import socket
import struct
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from bench.processes import HOST

if TYPE_CHECKING:
    from types import TracebackType

TIMEOUT = 120.0  # seconds without a byte
BOUNDARY = "----speechpipeline-benchmark-2f9d1c77"
READ_SIZE = 256 * 1024
LAST_CHUNK = b"0\r\n\r\n"
OK = 200


class ReplyError(Exception):
    """A server's reply was not what it should be; measuring it would be of no use."""


@dataclass(frozen=True)
class Reply:
    """A reply; `seconds` count from the request's first byte to the reply's last."""

    status: int
    body: bytes
    seconds: float


@dataclass(frozen=True)
class Streamed:
    """A streamed reply, and when the first thing that was looked for in it came.

    `seconds` count from the request's first byte, `at` is CLOCK_MONOTONIC in nanoseconds.
    """

    reply: Reply
    found: re.Match[bytes]
    seconds: float
    at: int


class Client:
    """One HTTP/1.1 connection to a loopback port, kept from request to request, blocking."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection((HOST, port), timeout=TIMEOUT)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def post(self, request: bytes) -> Reply:
        """Send a whole request, read the whole reply."""
        started = time.perf_counter()
        self._socket.sendall(request)
        status, length, body = self._read_head()
        while not _complete(body, length):
            body += self._receive()
        seconds = time.perf_counter() - started
        return Reply(status, _unframed(body, length), seconds)

    def stream(self, request: bytes, looked_for: re.Pattern[bytes]) -> Streamed:
        """Send a whole request, read the whole reply, and note when its first match of `looked_for` came.

        Raises:
            ReplyError: there is no match.
        """
        started = time.monotonic_ns()
        self._socket.sendall(request)
        status, length, body = self._read_head()
        at, found = time.monotonic_ns(), looked_for.search(body)
        while not _complete(body, length):
            body += self._receive()
            if found is None:
                at, found = time.monotonic_ns(), looked_for.search(bytes(body))
        ended = time.monotonic_ns()
        if found is None:
            raise ReplyError(f"status {status}, no {looked_for.pattern!r} in {bytes(body[:2000])!r}")
        reply = Reply(status, _unframed(body, length), (ended - started) / 1e9)
        return Streamed(reply, found, (at - started) / 1e9, at)

    def _read_head(self) -> tuple[int, int | None, bytearray]:
        """The status, the body's length (None: chunked), and what came of the body with the headers."""
        data = bytearray()
        while (end := data.find(b"\r\n\r\n")) < 0:
            data += self._receive()
        head = bytes(data[:end]).lower()
        length = re.search(rb"\r\ncontent-length: *(\d+)", head)
        if length is None and b"\r\ntransfer-encoding: chunked" not in head:
            raise ReplyError(f"neither Content-Length nor chunked: {head!r}")
        return int(head.split(b" ", 2)[1]), int(length[1]) if length else None, data[end + 4 :]

    def _receive(self) -> bytes:
        data = self._socket.recv(READ_SIZE)
        if not data:
            raise ReplyError("the server closed the connection")
        return data


def _complete(body: bytearray, length: int | None) -> bool:
    return len(body) >= length if length is not None else body.endswith(LAST_CHUNK)


def _unframed(body: bytearray, length: int | None) -> bytes:
    """The body without the frames of chunked encoding (RFC 9112, 7.1)."""
    if length is not None:
        return bytes(body)
    pieces = []
    at = 0
    while size := int(body[at : (line_end := body.index(b"\r\n", at))].split(b";")[0], 16):
        pieces.append(body[line_end + 2 : line_end + 2 + size])
        at = line_end + 2 + size + 2
    return b"".join(pieces)


def form_request(target: str, audio: bytes, fields: dict[str, str], file_field: str = "file") -> bytes:
    """A whole `POST`, as curl would send it with `-F file=@audio.wav -F prompt=...`: the file first."""
    disposition = f"--{BOUNDARY}\r\nContent-Disposition: form-data; name="
    body = b"".join(
        (
            f'{disposition}"{file_field}"; filename="audio.wav"\r\nContent-Type: audio/wav\r\n\r\n'.encode(),
            audio,
            *(f'\r\n{disposition}"{name}"\r\n\r\n{value}'.encode() for name, value in fields.items()),
            f"\r\n--{BOUNDARY}--\r\n".encode(),
        )
    )
    head = (
        f"POST {target} HTTP/1.1\r\nHost: {HOST}\r\nUser-Agent: speechpipeline-benchmark\r\nAccept: */*\r\n"
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def noise(size: int) -> bytes:
    """A .wav of `size` bytes, 16 kHz mono: noise, as hard to search for a boundary as compressed speech is."""
    rate, width, header = 16_000, 2, 44
    layout = (
        b"RIFF",
        size - 8,
        b"WAVE",
        b"fmt ",
        16,
        1,
        1,
        rate,
        rate * width,
        width,
        8 * width,
        b"data",
        size - header,
    )
    return struct.pack("<4sI4s4sIHHIIHH4sI", *layout) + random.Random(size).randbytes(size - header)


def check(reply: Reply, size: int) -> None:
    """Check that a reply is a whole answer about all of the audio: the stub says how many bytes it was given.

    Raises:
        ReplyError: it is not.
    """
    heard = re.search(rb"heard (\d+) bytes", reply.body)
    if reply.status != OK or heard is None or int(heard[1]) < size or b" word" not in reply.body:
        raise ReplyError(f"status {reply.status}, for {size} bytes of audio: {reply.body[:500]!r}")
