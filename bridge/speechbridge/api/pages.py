"""The playground at `/`, and `/openapi.json`."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_FOLDER = Path(__file__).resolve().parent.parent / "playground"
_TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
# media-src: recordings that the page plays, from memory.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; media-src blob:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; "
    "trusted-types 'none'"
)
_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


def add_routes(app: web.Application) -> None:
    """Add the routes; the files are read once, here."""
    for file in sorted(_FOLDER.iterdir()):
        path = "/" if file.name == "index.html" else f"/playground/{file.name}"
        app.router.add_get(path, _page(file.read_bytes(), _TYPES[file.suffix]))
    app.router.add_get("/openapi.json", openapi)


async def openapi(_: web.Request) -> web.Response:
    """Return the OpenAPI document."""
    return web.Response(body=_openapi(), content_type="application/json", charset="utf-8", headers=_HEADERS)


@cache
def _openapi() -> bytes:
    from speechbridge.api.openapi.document import document  # noqa: PLC0415 - 2 MiB that most bridges never need

    return json.dumps(document()).encode()


def _page(body: bytes, content_type: str) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def page(_: web.Request) -> web.Response:
        return web.Response(body=body, content_type=content_type, charset="utf-8", headers=_HEADERS)

    return page
