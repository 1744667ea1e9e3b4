"""The loopback address, where everything started here listens, and the names of the ingress that lead to it."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

HOST = "127.0.0.1"


def address(port: int) -> str:
    """Return the HTTP address of a port on this machine."""
    return f"http://{HOST}:{port}"


def resolves(host: str) -> bool:
    """Return whether the resolver of this machine knows a name; many do not know names below `localhost`."""
    try:
        return bool(socket.getaddrinfo(host, None))
    except OSError:
        return False


def curl(host: str, port: int, *, known: Callable[[str], bool] = resolves) -> str:
    """Return the beginning of a curl command for a host on this machine, with its address where it is not known."""
    return "curl" if known(host) else f"curl --resolve {host}:{port}:{HOST}"
