"""Cross-origin requests: which web pages of other origins may use the API. Source: WHATWG Fetch, section 3.3."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

ANY = "*"
_EXPOSED = "X-Request-ID, Retry-After"
_METHODS = "GET, POST"
_MAX_AGE_S = 600  # what Chromium at most respects is 7200; a changed setting takes effect within this time


class CrossOrigin:
    """Adds the headers of allowed origins to all responses, and answers preflight requests.

    Args:
        origins: Allowed origins, such as `https://app.example.com`; `*` for all, but those without credentials.
    """

    def __init__(self, origins: tuple[str, ...]) -> None:
        self._any = ANY in origins
        self._origins = frozenset(origins) - {ANY}

    def install(self, app: web.Application) -> None:
        """Hook into all responses, errors and streams included."""
        if not (self._any or self._origins):
            return

        @web.middleware
        async def preflight(request: web.Request, handler: Handler) -> web.StreamResponse:
            if request.method == "OPTIONS" and (headers := self.preflight_headers(request.headers)):
                return web.Response(status=HTTPStatus.NO_CONTENT, headers=headers)
            return await handler(request)

        async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
            response.headers.update(self.response_headers(request.headers.get("Origin")))

        app.middlewares.insert(1, preflight)  # logged as all requests are, but without an API key
        app.on_response_prepare.append(add_headers)

    def response_headers(self, origin: str | None) -> dict[str, str]:
        """Return the headers of a response for a page's origin, None if the request has none.

        A listed origin may send credentials: the bridge knows no cookies, but a proxy in front of it may.
        """
        vary = {"Vary": "Origin"} if self._origins else {}
        if origin is not None and origin.lower() in self._origins:
            allowed = {"Access-Control-Allow-Origin": origin, "Access-Control-Allow-Credentials": "true"}
        elif origin is not None and self._any:
            allowed = {"Access-Control-Allow-Origin": ANY}
        else:
            return vary
        return {**vary, **allowed, "Access-Control-Expose-Headers": _EXPOSED}

    def preflight_headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Return the headers with which a preflight request is granted; none if it is not one or is not granted.

        Those of `response_headers` come in addition.
        """
        granted = "Access-Control-Allow-Origin" in self.response_headers(headers.get("Origin"))
        if not granted or "Access-Control-Request-Method" not in headers:
            return {}
        answer = {"Access-Control-Allow-Methods": _METHODS, "Access-Control-Max-Age": f"{_MAX_AGE_S}"}
        if asked := headers.get("Access-Control-Request-Headers"):
            answer["Access-Control-Allow-Headers"] = asked  # `*` would leave out Authorization
        if headers.get("Access-Control-Request-Private-Network") == "true":
            answer["Access-Control-Allow-Private-Network"] = "true"
        return answer
