"""Follows the load that a Whisper pod reports, as events of `GET /load`."""

from __future__ import annotations

import asyncio
import random
from http import HTTPStatus
from typing import TYPE_CHECKING

from speechbridge.upstreams import sse
from speechbridge.upstreams.failures import FailureKind, UpstreamError
from speechbridge.upstreams.load import load_in_event

if TYPE_CHECKING:
    from collections.abc import Callable

    from speechbridge.upstreams.endpoint import Endpoint

_SILENCE_S = 45.0  # three of the comments that a pod sends every 15 s
_RECONNECT_S = 1.0
_ASK_AGAIN_S = 30.0  # a pod without the route: another server may start at its address
_ACCEPT = "Accept: text/event-stream\r\n"


class NotSupportedError(Exception):
    """The pod does not report its load."""


async def follow_load(endpoint: Endpoint, jitter: Callable[[], float] = random.random) -> None:
    """Have the endpoint adopt each report of its pod, until cancelled.

    Args:
        endpoint: The pod; without reports it gets one request at a time.
        jitter: Returns a random number from 0 to 1; keeps bridges from reconnecting at the same time.
    """
    while True:
        try:
            await _follow(endpoint)
        except NotSupportedError:
            endpoint.adopt(None)
            await asyncio.sleep(_ASK_AGAIN_S * (1 + jitter()))
        except (UpstreamError, TimeoutError):
            await asyncio.sleep(_RECONNECT_S * (1 + jitter()))


async def _follow(endpoint: Endpoint) -> None:
    """Read one stream of events to its end, which is a failure."""
    parser = sse.Parser()
    async with endpoint.connection() as connection:
        connection.send(endpoint.head("GET", "/load", _ACCEPT, 0))
        async with asyncio.timeout(_SILENCE_S):
            status = await connection.response()
        if status in {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED}:
            raise NotSupportedError
        if status != HTTPStatus.OK:
            raise UpstreamError(FailureKind.BAD_ANSWER, f"/load responded with status {status}")
        if not connection.headers.get("content-type", "").startswith("text/event-stream"):
            raise NotSupportedError  # a server that answers every path, for example
        chunks = connection.chunks()
        while True:
            async with asyncio.timeout(_SILENCE_S):
                chunk = await anext(chunks, None)
            if chunk is None:
                raise UpstreamError(FailureKind.DIED, "the stream of /load ended")
            _adopt(endpoint, parser, chunk)


def _adopt(endpoint: Endpoint, parser: sse.Parser, chunk: bytes) -> None:
    try:
        events = parser.feed(chunk)
    except ValueError:
        raise UpstreamError(FailureKind.BAD_ANSWER, "the event stream of /load is malformed") from None
    loads = [load for load in (load_in_event(event.data) for event in events) if load is not None]
    if loads:
        endpoint.adopt(loads[-1])
