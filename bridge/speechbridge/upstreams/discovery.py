"""From the URL of an upstream to the addresses of its pods."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from speechbridge.credentials import NO_CREDENTIALS, Credentials
from speechbridge.upstreams.endpoint import Origin

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Resolve = Callable[[str, int], Awaitable[frozenset[str]]]

_UNKNOWN_NAME = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)})


def origin_of(url: str, credentials: Credentials = NO_CREDENTIALS) -> Origin:
    """Return the origin that an upstream's URL refers to."""
    parts = urlsplit(url)
    tls = ssl.create_default_context(cafile=credentials.ca_file or None) if parts.scheme == "https" else None
    port = parts.port or (443 if tls else 80)
    return Origin(parts.hostname or "", port, parts.path.rstrip("/"), tls, credentials.headers)


async def resolve(host: str, port: int) -> frozenset[str]:
    """Return the IP addresses of a host; none if the name is unknown.

    Raises:
        OSError: The name server does not respond.
    """
    if _is_address(host):
        return frozenset({host})
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        if error.errno in _UNKNOWN_NAME:
            return frozenset()
        raise
    addresses = frozenset(str(item[4][0]) for item in found)
    # A name with both families (localhost) is one pod, not two.
    ipv4 = frozenset(address for address in addresses if ":" not in address)
    return ipv4 or addresses


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
