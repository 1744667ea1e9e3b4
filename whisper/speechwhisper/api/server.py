"""The socket under the application."""

from __future__ import annotations

import socket

from aiohttp import web

_BACKLOG = 128
_ALL_IPV6, _ALL_IPV4 = "::", "0.0.0.0"  # noqa: S104 - the unspecified addresses, where settings ask for them


def site(runner: web.AppRunner, host: str, port: int) -> web.BaseSite:
    """Return the site that listens on an address; `::` accepts IPv4 connections too.

    asyncio makes IPv6 sockets IPv6-only, so the socket of `::` is created here. On a machine without IPv6, `::` means
    `0.0.0.0`.

    Raises:
        OSError: The port is in use.
    """
    if host != _ALL_IPV6:
        return web.TCPSite(runner, host, port, backlog=_BACKLOG)
    if not socket.has_dualstack_ipv6():
        return web.TCPSite(runner, _ALL_IPV4, port, backlog=_BACKLOG)
    listening = socket.create_server((host, port), family=socket.AF_INET6, backlog=_BACKLOG, dualstack_ipv6=True)
    return web.SockSite(runner, listening, backlog=_BACKLOG)
