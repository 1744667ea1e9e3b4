"""Ollama for every pod of a simulated cluster, as one program: pods are loopback addresses, and each has its models.

    python ollamas.py PORT

It answers what an operator asks: `/api/version`, `/api/tags`, `/api/pull`, `/api/chat` without messages, which loads a
model, and `/api/ps`; and `/health` for who waits until it serves. Every model is on a GPU.
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
    """Models by the address that was asked."""

    def __init__(self) -> None:
        self._models: defaultdict[str, set[str]] = defaultdict(set)
        self._loaded: defaultdict[str, set[str]] = defaultdict(set)

    async def tags(self, request: web.Request) -> web.Response:
        """Answer GET /api/tags."""
        return web.json_response({"models": [_listed(name) for name in self._models[_address(request)]]})

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
        self._models[_address(request)].add(_tagged(name))
        return response

    async def load(self, request: web.Request) -> web.Response:
        """Answer POST /api/chat without messages."""
        name = _tagged((await request.json())["model"])
        if name not in self._models[_address(request)]:
            return web.json_response({"error": f"model '{name}' not found"}, status=404)
        self._loaded[_address(request)].add(name)
        return web.json_response({"model": name, "done": True, "done_reason": "load"})

    async def running(self, request: web.Request) -> web.Response:
        """Answer GET /api/ps."""
        loaded = self._loaded[_address(request)]
        return web.json_response({"models": [{**_listed(name), "size_vram": SIZE} for name in loaded]})


def _address(request: web.Request) -> str:
    assert request.transport  # noqa: S101 - it is here, so it came over a connection
    address: str = request.transport.get_extra_info("sockname")[0]
    return address


def _listed(name: str) -> dict[str, object]:
    return {"name": name, "model": name, "size": SIZE, "digest": _digest(name)}


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
    app.router.add_get("/api/version", _version)
    app.router.add_post("/api/chat", ollamas.load)
    app.router.add_get("/api/ps", ollamas.running)
    app.router.add_get("/health", _version)
    web.run_app(app, host="0.0.0.0", port=int(sys.argv[1]), print=None, access_log=None)  # noqa: S104 - all of 127/8


if __name__ == "__main__":
    main()
