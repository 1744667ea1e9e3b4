"""What is no HTTP request is answered by both HTTP services with a problem document that quotes nothing."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING

import pytest

from contract.services.programs import BRIDGE, DEADLINE_S, WHISPER, Process, Program

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.unit


@pytest.fixture(params=[BRIDGE, WHISPER], ids=lambda program: program.package, scope="module")
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    program: Program = request.param
    with program.serving(tmp_path_factory.mktemp(program.package)) as process:
        yield process


def reply(running: Process, request: bytes) -> tuple[bytes, bytes]:
    """Send bytes, and read until the server closes; return head and body of its answer."""
    with socket.create_connection(("127.0.0.1", running.said("listening")["port"]), timeout=DEADLINE_S) as connection:
        connection.sendall(request)
        answer = b""
        while data := connection.recv(65536):
            answer += data
    head, _, body = answer.partition(b"\r\n\r\n")
    return head, body


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        (b"kumquat marmalade\r\n\r\n", 400, "bad_request"),
        (b"GET /livez HTTP/1.1\r\nContent-Length: kumquat\r\n\r\n", 400, "bad_request"),
        (
            b"GET /livez HTTP/1.1\r\nHost: a\r\nX-Kumquat: " + b"kumquat" * 2000 + b"\r\n\r\n",
            431,
            "request_headers_too_large",
        ),
    ],
    ids=["no request", "a length that is none", "a giant header"],
)
def test_a_malformed_request(running: Process, request_: bytes, status: int, code: str) -> None:
    head, body = reply(running, request_)

    document = json.loads(body)
    assert (document["status"], document["code"]) == (status, code)
    assert b"application/problem+json" in head
    assert document["request_id"].encode() in head
    assert b"kumquat" not in body.lower()
    assert running.said("malformed request")
    assert "kumquat" not in json.dumps(running.lines)
