"""Tells people and programs about a download: lines on stderr, JSON lines, and JSON over HTTP."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Literal, Protocol, TextIO

from speechwhisper.weights.progress import Meter, Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Style = Literal["text", "json", "none"]

PATH = "/progress"
_SAMPLE_S = 1.0
_LINE_S = 10.0
"""Seconds between lines of a log."""
_CLEAR = "\r\x1b[K"


class Sink(Protocol):
    """Takes the progress of a download."""

    def __call__(self, progress: Progress) -> None:
        """Take note of a moment."""


class Latest:
    """The latest progress, for the HTTP server."""

    def __init__(self, model: str) -> None:
        self.progress = Progress(model, "waiting")

    def __call__(self, progress: Progress) -> None:
        """Replace it."""
        self.progress = progress


class Lines:
    """Writes progress as text or as JSON lines.

    Args:
        style: The format.
        stream: Where to write; on a terminal, text stays on one line.
        clock: A monotonic clock in seconds.
    """

    def __init__(self, style: Style, stream: TextIO, clock: Callable[[], float]) -> None:
        self._style, self._stream, self._clock = style, stream, clock
        self._written: Progress | None = None
        self._at = 0.0

    def __call__(self, progress: Progress) -> None:
        """Write it, unless it says nothing new or, in a log of text, too early."""
        before, now = self._written, self._clock()
        if self._style == "none" or progress == before:
            return
        live = self._style == "json" or self._stream.isatty()
        if not live and before is not None and before.stage == progress.stage and now - self._at < _LINE_S:
            return
        self._written, self._at = progress, now
        if self._style == "json":
            self._stream.write(json.dumps(progress.as_json()) + "\n")
        elif live:
            self._stream.write(_CLEAR + progress.words() + ("\n" if progress.stage == "ready" else ""))
        else:
            self._stream.write(progress.words() + "\n")
        self._stream.flush()

    def note(self, message: str) -> None:
        """Write what else was done."""
        if self._style != "none":
            self._say(message, {"note": message})

    def fail(self, code: int, message: str) -> None:
        """Write why the download failed."""
        self._say(f"error: {message}", {"error": message, "status": code})

    def _say(self, words: str, document: dict[str, object]) -> None:
        if self._style == "json":
            self._stream.write(json.dumps(document) + "\n")
        else:
            interrupted = self._written is not None and self._written.stage != "ready" and self._stream.isatty()
            self._stream.write(("\n" if interrupted else "") + f"{words}\n")
        self._stream.flush()


class Reporter:
    """Publishes progress, and samples it while a download runs.

    Args:
        model: The model.
        sinks: Where to publish.
        clock: A monotonic clock in seconds.
    """

    def __init__(self, model: str, sinks: tuple[Sink, ...], clock: Callable[[], float]) -> None:
        self._model, self._sinks, self._clock = model, sinks, clock

    def publish(self, progress: Progress) -> None:
        """Publish a moment."""
        for sink in self._sinks:
            sink(progress)

    @contextmanager
    def sampling(self, completed: Callable[[], int], total: int | None) -> Iterator[None]:
        """Publish progress each second during the `with` block.

        Args:
            completed: Measures the bytes on the volume.
            total: Bytes in all, None if unknown.
        """
        meter, ended = Meter(), threading.Event()

        def sample() -> None:
            while True:
                have = completed()
                rate = meter.rate(have, self._clock())
                self.publish(Progress(self._model, "downloading", have, total, rate))
                if ended.wait(_SAMPLE_S):
                    return

        sampler = threading.Thread(target=sample, daemon=True)
        sampler.start()
        try:
            yield
        finally:
            ended.set()
            sampler.join()


class _Server(ThreadingHTTPServer):
    address_family = socket.AF_INET6
    daemon_threads = True

    def server_bind(self) -> None:
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()


class _ServerOfIPv4(ThreadingHTTPServer):
    daemon_threads = True


@contextmanager
def serving(latest: Latest, port: int) -> Iterator[int]:
    """Answer `GET /progress` on all addresses during the `with` block; yield the port.

    Raises:
        OSError: The port cannot be listened on.
    """

    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:
            found = self.path.split("?")[0] == PATH
            body = json.dumps(latest.progress.as_json() if found else {"error": "not found"}).encode()
            self.send_response(HTTPStatus.OK if found else HTTPStatus.NOT_FOUND)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Log nothing: the operator asks every few seconds."""

    try:
        server: ThreadingHTTPServer = _Server(("::", port), Handler)
    except OSError:  # a machine without IPv6
        server = _ServerOfIPv4(("0.0.0.0", port), Handler)  # noqa: S104 - the operator asks at the pod's address
    with server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()
