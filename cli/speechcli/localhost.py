"""Names below `localhost`: they are this machine (RFC 6761, section 6.3), but many resolvers do not know them."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import aiohttp

if TYPE_CHECKING:
    from aiohttp.abc import ResolveResult


def is_localhost(host: str) -> bool:
    """Return whether a name is `localhost` or below it, in lower case."""
    name = host.rstrip(".")
    return name == "localhost" or name.endswith(".localhost")


class Resolver(aiohttp.ThreadedResolver):
    """The system's resolver, which is asked for `localhost` instead of a name below it."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of a name; raise OSError if it has none."""
        return await super().resolve("localhost" if is_localhost(host) else host, port, family)


def connector(limit: int = 100) -> aiohttp.TCPConnector:
    """Return a connector that knows names below `localhost`, with at most `limit` connections."""
    return aiohttp.TCPConnector(limit=limit, resolver=Resolver())
