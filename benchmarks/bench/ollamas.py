"""Ollama for every pod of a simulated cluster, as one program: pods are loopback addresses, and each has its models.

    python ollamas.py PORT

It answers what an operator asks: `/api/version`, `/api/tags`, `/api/pull`, `/api/copy`, `/api/delete`, `/api/chat`
without messages, which loads a model, and `/api/ps`; and `/health` for who waits until it serves.
Every model is on a GPU.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections import defaultdict

from aiohttp import web

SIZE = 98_000_000
PIECES = 4


class Ollamas:
    """Models, and their digests, by the address that was asked."""

    def __init__(self) -> None:
        self._models: defaultdict[str, dict[str, str]] = defaultdict(dict)
        self._loaded: defaultdict[str, set[str]] = defaultdict(set)

    async def tags(self, request: web.Request) -> web.Response:
        """Answer GET /api/tags."""
        return web.json_response({"models": [_listed(*one) for one in self._models[_address(request)].items()]})

    async def pull(self, request: web.Request) -> web.StreamResponse:
        """Answer POST /api/pull, in as many lines as a quick pull has."""
        asked = await request.json()
        name = asked.get("model") or asked["name"]
        digest = _digest(name)
        lines: list[dict[str, object]] = [{"status": "pulling manifest"}]
        for piece in range(1, PIECES + 1):
            completed = SIZE * piece // PIECES
            lines.append({"status": f"pulling {digest[:12]}", "digest": digest, "total": SIZE, "completed": completed})
        lines += [{"status": "verifying sha256 digest"}, {"status": "writing manifest"}, {"status": "success"}]
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        await response.prepare(request)
        for line in lines:
            await response.write(json.dumps(line).encode() + b"\n")
        self._models[_address(request)][_tagged(name)] = digest
        return response

    async def copy(self, request: web.Request) -> web.Response:
        """Answer POST /api/copy."""
        asked = await request.json()
        models = self._models[_address(request)]
        if (source := _tagged(asked["source"])) not in models:
            return _unknown(source)
        models[_tagged(asked["destination"])] = models[source]
        return web.Response()

    async def delete(self, request: web.Request) -> web.Response:
        """Answer DELETE /api/delete."""
        name = _tagged((await request.json())["model"])
        if self._models[_address(request)].pop(name, None) is None:
            return _unknown(name)
        return web.Response()

    async def load(self, request: web.Request) -> web.Response:
        """Answer POST /api/chat without messages."""
        name = _tagged((await request.json())["model"])
        if name not in self._models[_address(request)]:
            return _unknown(name)
        self._loaded[_address(request)].add(name)
        return web.json_response({"model": name, "done": True, "done_reason": "load"})

    async def running(self, request: web.Request) -> web.Response:
        """Answer GET /api/ps."""
        models = self._models[_address(request)]
        loaded = [name for name in self._loaded[_address(request)] if name in models]
        return web.json_response({"models": [{**_listed(name, models[name]), "size_vram": SIZE} for name in loaded]})


def _address(request: web.Request) -> str:
    assert request.transport  # noqa: S101 - it is here, so it came over a connection
    address: str = request.transport.get_extra_info("sockname")[0]
    return address


def _unknown(name: str) -> web.Response:
    return web.json_response({"error": f"model '{name}' not found"}, status=404)


def _listed(name: str, digest: str) -> dict[str, object]:
    return {"name": name, "model": name, "size": SIZE, "digest": digest}


def _tagged(name: str) -> str:
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


async def _version(_: web.Request) -> web.Response:
    return web.json_response({"version": "0.17.4"})


def main() -> None:
    """Serve on the port of the command line, on every loopback address (the pods are 127.64.0.0/16)."""
    ollamas = Ollamas()
    app = web.Application()
    app.router.add_get("/api/tags", ollamas.tags)
    app.router.add_post("/api/pull", ollamas.pull)
    app.router.add_post("/api/copy", ollamas.copy)
    app.router.add_delete("/api/delete", ollamas.delete)
    app.router.add_get("/api/version", _version)
    app.router.add_post("/api/chat", ollamas.load)
    app.router.add_get("/api/ps", ollamas.running)
    app.router.add_get("/health", _version)
    web.run_app(app, host="0.0.0.0", port=int(sys.argv[1]), print=None, access_log=None)  # noqa: S104 - all of 127/8


if __name__ == "__main__":
    main()
