"""Sends the body of a request while its response is read: a pod may answer what has arrived so far."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from speechbridge.audio.port import RestartRequired
from speechbridge.upstreams.failures import UpstreamError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from speechbridge.upstreams.connection import Connection


class Sending:
    """Sends a body during a block (`async with`), which reads the response.

    An error of the sender is raised by the methods of the connection in the block. After the block nothing more is
    sent: if it ended normally, the response is complete; else the connection is closed.

    Args:
        connection: The connection; nothing else sends on it.
        body: Sends the body, and returns early once the pod takes no more of it.
    """

    def __init__(self, connection: Connection, body: Callable[[], Awaitable[None]]) -> None:
        self._connection = connection
        self._body = body

    async def __aenter__(self) -> None:
        self._task = asyncio.create_task(self._send())

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, *_: object) -> None:
        if error is not None:
            self._connection.abort()
        if error is not None and not isinstance(error, (UpstreamError, RestartRequired)):
            self._task.cancel()  # the request itself ends
        try:
            # Not cancelled otherwise: another pod needs what has been received of a recording, which may still be on
            # its way to the buffer.
            await asyncio.wait([self._task])
        finally:
            self._task.cancel()

    async def _send(self) -> None:
        try:
            await self._body()
        except Exception as error:  # noqa: BLE001 - raised where the response is read
            self._connection.fail(error)
