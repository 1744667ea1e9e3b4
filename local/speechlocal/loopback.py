"""The loopback address, where everything started here listens."""

from __future__ import annotations

HOST = "127.0.0.1"


def address(port: int) -> str:
    """Return the HTTP address of a port on this machine."""
    return f"http://{HOST}:{port}"
