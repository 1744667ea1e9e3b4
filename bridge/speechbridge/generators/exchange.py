"""The exchange that both protocols share: JSON sent, a status that must be 200."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from speechbridge.upstreams.responses import check_generator_status

if TYPE_CHECKING:
    from speechbridge.upstreams.connection import Connection
    from speechbridge.upstreams.endpoint import Endpoint


GATHER = 1 / 60
"""Seconds: tokens that follow each other faster than a screen draws its frames are passed on together."""


def post_json(connection: Connection, endpoint: Endpoint, path: str, request: dict[str, Any], headers: str) -> None:
    """Send a JSON body."""
    body = json.dumps(request).encode()
    connection.send(
        endpoint.head("POST", path, f"{headers}Content-Type: application/json\r\n", len(body)),
        body,
    )


async def expect_ok(connection: Connection) -> None:
    """Wait for the head of the answer; raise the UpstreamError that anything but a 200 means."""
    status = await connection.response()
    if status != HTTPStatus.OK:
        check_generator_status(status, await connection.read())
