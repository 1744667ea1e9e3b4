"""Paths of the API as clients put them together from a base URL: with too many slashes, `/v1` twice or not at all.

They are rewritten before routing: a redirect would lose the body of a POST in many clients.
`speechwhisper/api/paths.py` does the same for the routes there.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from yarl import URL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from aiohttp import web
    from aiohttp.http_parser import RawRequestMessage

_VERSION = "/v1"
_PLACEHOLDER = re.compile(r"\{[^{}]*\}")
_SLASHES = re.compile(r"/{2,}")


class Paths:
    """Finds the routes that request targets mean.

    Args:
        routes: The paths of the routes, such as `/v1/models/{name}`; a placeholder stands for any characters.
    """

    def __init__(self, routes: Iterable[str]) -> None:
        known = set(routes)
        patterns = (".+".join(map(re.escape, _PLACEHOLDER.split(route))) for route in sorted(known))
        families = {route.split("/")[2] for route in known if route.startswith(f"{_VERSION}/")}
        self._spelled_as_routed = frozenset(known)
        self._routes = re.compile("|".join(patterns))
        self._without_version = re.compile(rf"/({'|'.join(map(re.escape, sorted(families)))})(/|$)")

    @classmethod
    def of(cls, app: web.Application) -> Paths:
        """Return those of an application: every route of OpenAI's API, and all others that clients post to."""
        routes = [(route.method, route.resource.canonical) for route in app.router.routes() if route.resource]
        return cls(path for method, path in routes if method == "POST" or path.startswith(f"{_VERSION}/"))

    def normalized(self, target: str) -> str:
        """Return the request target of the route that is meant; any other target as it is."""
        if target in self._spelled_as_routed:  # as most are
            return target
        path, question_mark, query = target.partition("?")
        if not path.startswith("/"):
            return target
        path = _SLASHES.sub("/", path)
        while path.startswith(f"{_VERSION}{_VERSION}/"):
            path = path.removeprefix(_VERSION)
        if self._without_version.match(path):
            path = f"{_VERSION}{path}"
        path = path.rstrip("/")
        return f"{path}{question_mark}{query}" if self._routes.fullmatch(path) else target

    def normalizing(self, make_request: Callable[..., web.BaseRequest]) -> Callable[..., web.BaseRequest]:
        """Return a factory of requests like `make_request`, but for the normalized path."""

        def make(message: RawRequestMessage, *arguments: Any, **options: Any) -> web.BaseRequest:
            target = self.normalized(message.path)
            if target != message.path:
                path, _, query = target.partition("?")
                url = URL.build(path=path, query_string=query, encoded=True)
                message = message._replace(path=target, url=url)
            return make_request(message, *arguments, **options)

        return make
