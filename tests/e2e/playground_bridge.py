"""A bridge that says what a test wrote down: for faults and pauses that the real one does not make on demand."""

from __future__ import annotations

import asyncio
import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiohttp import BodyPartReader, web
from aiohttp.test_utils import TestServer

import speechbridge
from speechbridge.api.pages import CONTENT_SECURITY_POLICY

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

PAGE = Path(speechbridge.__file__).parent / "playground"

READY = {"whisper": {"ready": True, "detail": "tiny.en"}, "llm": {"ready": True, "detail": "smollm2"}}
TIMINGS = {"queue_ms": 12, "transcribe_ms": 640, "first_token_ms": 810, "generate_ms": 2290, "total_ms": 2960}
ANSWER = {
    "transcription": "He was not an ill disposed young man.",
    "response": "He meant well.",
    "process_time_ms": 2960,
    "model": "smollm2:135m",
    "language": "en",
    "audio_seconds": 5.8,
    "finish_reason": "stop",
    "timings": TIMINGS,
    "warnings": [],
}


class Until(asyncio.Event):
    """Holds the answer back until the test sets it."""


class Refusal(dict[str, Any]):
    """A problem+json answer; `status` is also the HTTP status."""


Piece = bytes | Until


def event(name: str, **data: Any) -> bytes:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n".encode()


class ScriptedBridge:
    """Answers /process with `script`.

    `fields` are the names and values that came in, in order, a file's value being its name; `left` is set when a client
    disconnects before its answer is complete. With a `key`, the API requires it. `retry_after` is a refusal's header.
    With `reading`, an upload is read once that is set.
    """

    def __init__(self) -> None:
        self.components: dict[str, dict[str, Any]] = READY
        self.script: Sequence[Piece] | Refusal = ()
        self.fields: list[tuple[str, str]] = []
        self.reading: asyncio.Event | None = None
        self.left = asyncio.Event()
        self._closing = False
        self.key = ""
        self.retry_after = ""
        self.url = ""

    @contextlib.asynccontextmanager
    async def serving(self, prefix: str = "") -> AsyncIterator[ScriptedBridge]:
        """Listens on a free loopback port; `prefix` is a path in front of every route, as behind an ingress."""
        app = web.Application(client_max_size=2**30)
        app.router.add_get(f"{prefix}/", self._page)
        app.router.add_static(f"{prefix}/playground", PAGE)
        app.router.add_get(f"{prefix}/readyz", self._readyz)
        app.router.add_get(f"{prefix}/v1/models", self._models)
        app.router.add_post(f"{prefix}/process", self._process)
        app.on_response_prepare.append(self._restrict)
        async with TestServer(app) as server:
            self.url = f"{server.make_url('/')}".rstrip("/") + f"{prefix}/"
            try:
                yield self
            finally:
                self._closing = True  # a server waits for its answers for two minutes, and pages are closed after it

    async def _restrict(self, _request: web.Request, response: web.StreamResponse) -> None:
        response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY

    async def _page(self, _request: web.Request) -> web.FileResponse:
        return web.FileResponse(PAGE / "index.html")

    async def _readyz(self, _request: web.Request) -> web.Response:
        ready = all(component["ready"] for component in self.components.values())
        body = {"status": "ready" if ready else "not ready", "components": self.components}
        return web.json_response(body, status=200 if ready else 503)

    def _refused(self, request: web.Request) -> web.Response | None:
        if not self.key or request.headers.get("Authorization") == f"Bearer {self.key}":
            return None
        problem = {"status": 401, "detail": "This service asks for an API key.", "code": "invalid_api_key"}
        return web.json_response(problem, status=401, content_type="application/problem+json")

    async def _models(self, request: web.Request) -> web.Response:
        if refused := self._refused(request):
            return refused
        models = [("smollm2:135m", "chat"), ("qwen3:4b", "chat"), ("tiny.en", "transcription")]
        listed = [{"id": name, "object": "model", "owned_by": "speechpipeline", "kind": kind} for name, kind in models]
        return web.json_response({"object": "list", "data": listed})

    async def _process(self, request: web.Request) -> web.StreamResponse:
        if self.reading is not None:
            await self.reading.wait()
        reader = await request.multipart()
        self.fields = []
        async for part in reader:
            assert isinstance(part, BodyPartReader)
            content = await part.read(decode=True)
            self.fields.append((part.name or "", part.filename or content.decode()))
        if refused := self._refused(request):
            return refused
        if isinstance(self.script, Refusal):
            headers = {"Retry-After": self.retry_after} if self.retry_after else {}
            kind = "application/problem+json"
            return web.json_response(self.script, status=self.script["status"], content_type=kind, headers=headers)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "X-Request-ID": "req-7f3a"})
        await response.prepare(request)
        try:
            await self._play(response, self.script)
        except (ConnectionResetError, asyncio.CancelledError):
            self.left.set()
            raise
        return response

    async def _play(self, response: web.StreamResponse, script: Sequence[Piece]) -> None:
        for piece in script:
            if isinstance(piece, Until):
                while not piece.is_set() and not self._closing:
                    await response.write(b": keep-alive\n\n")  # raises once the client has gone
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(piece.wait(), timeout=0.05)
            else:
                await response.write(piece)
