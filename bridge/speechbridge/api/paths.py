"""Paths of the API as clients put them together from a base URL: with too many slashes, `/v1` twice or not at all.

They are rewritten before routing: a redirect would lose the body of a POST in many clients.
`speechwhisper/api/paths.py` does the same for the routes there.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from yarl import URL

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp import web
    from aiohttp.http_parser import RawRequestMessage

_SPELLED_AS_ROUTED = frozenset({
    "/process",
    "/v1/audio/transcriptions",
    "/v1/audio/translations",
    "/v1/chat/completions",
    "/v1/models",
})  # fmt: skip
_ROUTES = re.compile(r"(/process|/v1/audio/[a-z]+|/v1/chat/completions|/v1/models(/.+)?)")
_SLASHES = re.compile(r"/{2,}")
_WITHOUT_VERSION = re.compile(r"/(audio|chat|models)(/|$)")


def normalized(target: str) -> str:
    """Return the request target of the route that is meant; any other target as it is."""
    if target in _SPELLED_AS_ROUTED:  # as most are
        return target
    path, question_mark, query = target.partition("?")
    if not path.startswith("/"):
        return target
    path = _SLASHES.sub("/", path)
    while path.startswith("/v1/v1/"):
        path = path.removeprefix("/v1")
    if _WITHOUT_VERSION.match(path):
        path = f"/v1{path}"
    path = path.rstrip("/")
    return f"{path}{question_mark}{query}" if _ROUTES.fullmatch(path) else target


def normalizing(make_request: Callable[..., web.BaseRequest]) -> Callable[..., web.BaseRequest]:
    """Return a factory of requests like `make_request`, but for the normalized path."""

    def make(message: RawRequestMessage, *arguments: Any, **options: Any) -> web.BaseRequest:
        target = normalized(message.path)
        if target != message.path:
            path, _, query = target.partition("?")
            url = URL.build(path=path, query_string=query, encoded=True)
            message = message._replace(path=target, url=url)
        return make_request(message, *arguments, **options)

    return make
