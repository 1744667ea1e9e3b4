"""What can go wrong with an upstream, as values a test puts into a fake's script."""

import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field


class Fault:
    """One request's misfortune. None in a script stands for a request that goes well."""


@dataclass(frozen=True)
class Slow(Fault):
    """Take `before_headers` seconds to begin the answer and `between_chunks` before each further piece of it."""

    before_headers: float = 0.0
    between_chunks: float = 0.0


@dataclass(frozen=True)
class Fragmented(Fault):
    """Send the right answer in pieces of `size` bytes: lines, events and UTF-8 characters are cut in two."""

    size: int = 1


@dataclass(frozen=True)
class Answer(Fault):
    """Another answer than the right one. With `before_body` it comes while the upload is still unread."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    before_body: bool = False


@dataclass(frozen=True)
class Garbage(Fault):
    """Bytes that are not HTTP, then the connection closes."""

    data: bytes = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 this is no HTTP\r\n\r\n"


@dataclass(frozen=True)
class HangUp(Fault):
    """Close the connection as soon as the request's head is here, without a byte of an answer.

    On a connection used before (`only=reused`) this is the stale keep-alive connection that every HTTP client meets.
    """

    reset: bool = False


@dataclass(frozen=True)
class DieMidUpload(Fault):
    """Reset the connection once `after` bytes of the file part have been read."""

    after: int = 1


@dataclass(frozen=True)
class CutAnswer(Fault):
    """Send `after` bytes of the right body, then end the connection.

    With `reset` as a killed process's kernel does it (RST), else as a truncated body (FIN, final chunk missing).
    """

    after: int = 0
    reset: bool = True


@dataclass(frozen=True)
class StreamError(Fault):
    """Under status 200, after `after` tokens or segments: the error as this upstream writes it into a stream."""

    after: int = 1
    message: str = "an error was encountered while running the model: unexpected EOF"


@dataclass(frozen=True)
class EndsEarly(Fault):
    """After `after` tokens or segments the stream ends well-formed but without its closing line."""

    after: int = 1


def status(code: int, message: str = "it broke") -> Answer:
    return Answer(code, json.dumps({"error": message}).encode())


def busy(retry_after: int | None = 1, *, before_body: bool = True) -> Answer:
    """A full upstream: 503, with `Retry-After` in seconds unless None."""
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    body = json.dumps(
        {"error": {"message": "all slots are busy", "type": "server_error", "param": None, "code": "busy"}}
    )
    return Answer(503, body.encode(), headers=headers, before_body=before_body)


def no_space(retry_after: int = 30) -> Answer:
    """A Whisper server whose disk is full, once it has received the audio."""
    error = {"message": "The disk is full.", "type": "server_error", "param": None, "code": "no_space"}
    return Answer(503, json.dumps({"error": error}).encode(), headers={"Retry-After": str(retry_after)})


def html_page(code: int = 200) -> Answer:
    """What a captive portal or a wrongly set ingress answers."""
    return Answer(code, b"<!doctype html><title>Welcome</title><h1>It works!</h1>", content_type="text/html")


def wrong_json() -> Answer:
    """Valid JSON of another service."""
    return Answer(body=b'{"hello": ["world", 1, null]}')


def broken_json() -> Answer:
    return Answer(body=b'{"text": "He was not an ill')


@contextmanager
def refusing_url() -> Iterator[str]:
    """An address that refuses every connection: the port is taken, and nobody listens on it."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"
