"""A registry that the real Ollama pulls from: one model of random bytes, whose large layer can be held up halfway.

Ollama wants a blob's GET redirected to another host's name, hence `localhost` beside 127.0.0.1.
"""

import asyncio
import hashlib
import json
import random
import ssl
from typing import Any, Self

from aiohttp import web

from speechlocal.children import free_port

WEIGHTS = 4 << 20
CHUNK = 64 << 10
NAME = "library/tiny"
DOCKER = "application/vnd.docker"


class ModelRegistry:
    """`async with ModelRegistry() as registry`, then pull `registry.model` with `insecure`.

    Args:
        tls: Serve over TLS with this certificate, else over plain HTTP.
        damaged: Serve other weights than the manifest says, as a broken disk or proxy does.
    """

    def __init__(self, *, tls: ssl.SSLContext | None = None, damaged: bool = False) -> None:
        self._tls = tls
        self._damaged = damaged
        self.cuts = False
        """Cut the connection of everyone who asks for a blob's bytes."""
        self.cut = 0
        """Connections that were cut."""
        self.flows = asyncio.Event()
        """While clear, no byte after the first half of the weights is sent."""
        self.flows.set()
        self.half_sent = asyncio.Event()
        about = {"model_format": "gguf", "model_family": "llama", "model_families": ["llama"], "model_type": "1M"}
        self.sent = 0
        """Bytes of the weights that were sent, over all requests."""
        self._blobs: dict[str, bytes] = {}
        config = self._layer(f"{DOCKER}.container.image.v1+json", json.dumps({**about, "file_type": "F16"}).encode())
        self._config = config
        self.publish(0)

    @property
    def model(self) -> str:
        return f"127.0.0.1:{self._port}/{NAME}"

    @property
    def weights(self) -> str:
        """The name of the file with the weights on the volume of an Ollama."""
        return str(self._manifest["layers"][0]["digest"]).replace(":", "-")

    def publish(self, version: int) -> None:
        """Serve a version of the model, with other weights than the one before."""
        weights = self._layer("application/vnd.ollama.image.model", random.Random(version).randbytes(WEIGHTS))
        self._manifest: dict[str, Any] = {
            "schemaVersion": 2,
            "mediaType": f"{DOCKER}.distribution.manifest.v2+json",
            "config": self._config,
            "layers": [weights],
        }

    def repair(self) -> None:
        """Serve the weights that the manifest names."""
        self._damaged = False

    async def __aenter__(self) -> Self:
        self._port = free_port()
        app = web.Application()
        app.router.add_get(f"/v2/{NAME}/manifests/latest", self._get_manifest)
        app.router.add_route("*", f"/v2/{NAME}/blobs/{{digest}}", self._get_blob)
        app.router.add_get("/elsewhere/{digest}", self._get_bytes)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.01, handler_cancellation=True)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port, ssl_context=self._tls).start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    def _layer(self, media_type: str, content: bytes) -> dict[str, object]:
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        self._blobs[digest] = content
        return {"mediaType": media_type, "digest": digest, "size": len(content)}

    async def _get_manifest(self, _: web.Request) -> web.Response:
        return web.json_response(self._manifest)

    async def _get_blob(self, request: web.Request) -> web.Response:
        digest = request.match_info["digest"]
        if request.method == "HEAD":
            return web.Response(headers={"Content-Length": str(len(self._blobs[digest]))})
        raise web.HTTPTemporaryRedirect(f"http://localhost:{self._port}/elsewhere/{digest}")

    async def _get_bytes(self, request: web.Request) -> web.StreamResponse:
        content = self._blobs[request.match_info["digest"]]
        if self.cuts and request.transport:
            self.cut += 1
            request.transport.abort()
        if self._damaged and len(content) == WEIGHTS:
            content = bytes(WEIGHTS)
        wanted = request.http_range
        start, stop = wanted.start or 0, wanted.stop or len(content)
        response = web.StreamResponse(status=206)
        response.content_length = stop - start
        await response.prepare(request)
        for offset in range(start, stop, CHUNK):
            if offset >= WEIGHTS // 2:
                self.half_sent.set()
                await self.flows.wait()
            piece = content[offset : min(offset + CHUNK, stop)]
            await response.write(piece)
            self.sent += len(piece) if len(content) == WEIGHTS else 0
        return response
