"""Detects that the node of a pod has vanished: it closes no connection, and answers nothing."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncio.trsock import TransportSocket

_IDLE_S, _INTERVAL_S, _PROBES = 10, 5, 3  # a pod that answers no probe is given up after 25 s
_OPTIONS = {
    name: value
    for name, value in (("TCP_KEEPIDLE", _IDLE_S), ("TCP_KEEPINTVL", _INTERVAL_S), ("TCP_KEEPCNT", _PROBES))
    if hasattr(socket, name)  # Linux; other systems keep their defaults
}


def set_keepalive(sock: TransportSocket | None) -> None:
    """Have the kernel probe a connection on which nothing arrives."""
    if sock is None:
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _OPTIONS.items():
        sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
