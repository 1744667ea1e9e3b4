"""One stream of `/load`: the events of a pod or a bridge, read within limits. What it sends is not trusted.

Source of the format: WHATWG HTML, section 9.2, "Server-sent events"; lines that end in a lone CR are not supported.
"""

from __future__ import annotations

import asyncio
import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Self

import aiohttp

from speechoperator.errors import describe_os_error
from speechoperator.plan.scaling.load import STALE_AFTER_S

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping
    from types import TracebackType

    from speechoperator.observe.egress import Egress

MAX_EVENT_BYTES = 8192
"""Of one event, or of one line; a real one has some 400."""

_CONNECT_TIMEOUT_S = 5.0
_HEAD_TIMEOUT_S = 10.0
_MIN_READ_INTERVAL_S = 0.05
"""Between two reads: a server that sends without end costs 20 small reads a second, and then waits for us."""
_READ_BUFFER_BYTES = 8192
_NO_ROUTE = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED})
_EVENTS = "text/event-stream"


class LoadStreamError(Exception):
    """The stream cannot be read, or has ended; the message says why."""


class NotReportedError(Exception):
    """The server has no `/load`, or no events there."""


class LoadClient:
    """Reads streams, from any number of pods at a time: `async with LoadClient(egress) as client`.

    It follows no redirect, accepts no compression, and connects to no denied address.

    Args:
        egress: Opens connections.
    """

    def __init__(self, egress: Egress) -> None:
        self._egress = egress

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, force_close=True, socket_factory=self._egress.socket),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_TIMEOUT_S, sock_read=STALE_AFTER_S),
            headers={"Accept": _EVENTS, "Accept-Encoding": "identity"},
            read_bufsize=_READ_BUFFER_BYTES,
            auto_decompress=False,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def events(self, url: str) -> AsyncGenerator[Mapping[str, Any] | None]:
        """Yield the objects of a stream, the latest of those that arrive together; None for a sign of life without one.

        Args:
            url: The base URL of the pod.

        Raises:
            NotReportedError: It does not report its load.
            LoadStreamError: The stream is broken, or has ended.
        """
        try:
            async with asyncio.timeout(_HEAD_TIMEOUT_S):
                response = await self._session.get(f"{url}/load", allow_redirects=False)
            async with response:
                _check(response)
                parser = EventParser()
                while chunk := await response.content.readany():
                    found = parser.feed(chunk)
                    if found or b"\n" in chunk:
                        yield _object(found[-1]) if found else None
                    await asyncio.sleep(_MIN_READ_INTERVAL_S)
        except TimeoutError as error:
            message = "no response, or no sign of life, in time"
            raise LoadStreamError(message) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise LoadStreamError(_words(error)) from error
        message = "the stream ended"
        raise LoadStreamError(message)


class EventParser:
    """Parses a stream of events from chunks of any size."""

    def __init__(self) -> None:
        self._line = b""
        self._data: list[bytes] = []
        self._size = 0  # of the event that has not ended

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the data of the events that this chunk completes.

        Raises:
            ValueError: An event or a line is longer than 8 KiB.
        """
        *lines, self._line = (self._line + chunk).split(b"\n")
        events = []
        for line in lines:
            text = line.removesuffix(b"\r")
            if text.startswith(b"data:"):
                self._data.append(text.removeprefix(b"data:").removeprefix(b" "))
                self._size += len(line)
                self._check(self._size)
            elif not text and self._data:
                events.append(b"\n".join(self._data))
                self._data, self._size = [], 0
        self._check(len(self._line))
        return events

    @staticmethod
    def _check(size: int) -> None:
        if size > MAX_EVENT_BYTES:
            message = f"an event is longer than {MAX_EVENT_BYTES} bytes"
            raise ValueError(message)


def _words(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorError):
        return describe_os_error(error.os_error)
    return str(error) or type(error).__name__


def _check(response: aiohttp.ClientResponse) -> None:
    if response.status in _NO_ROUTE or (response.status == HTTPStatus.OK and response.content_type != _EVENTS):
        raise NotReportedError
    if response.status != HTTPStatus.OK:
        message = f"HTTP {response.status}"
        raise LoadStreamError(message)


def _object(data: bytes) -> Mapping[str, Any]:
    """Parse an event.

    Raises:
        ValueError: It is not a JSON object.
    """
    try:
        found = json.loads(data)
    except RecursionError:
        found = None
    if not isinstance(found, dict):
        message = "an event is no JSON object"
        raise ValueError(message)  # noqa: TRY004 - of the value received, not of an argument
    return found
