"""What `bench.host` runs in a network namespace: many clients connect to a bridge under different limits.

Prints the figures as JSON. All traffic is on loopback, `CLIENTS` connections at a time.
"""

from __future__ import annotations

import json
import os
import resource
import selectors
import socket
import struct
import sys
import tempfile
import time
from contextlib import ExitStack
from fcntl import ioctl
from pathlib import Path
from typing import TYPE_CHECKING

from bench.processes import HOST, Process, Program
from bench.subjects import LISTEN

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

CLIENTS = 1500
QUEUES = (128, 1024, 4096)
"""The default of `somaxconn` before Linux 5.4, what the bridge asks for, and the default since."""
OPEN_FILES = (1024, 16384)
"""The usual soft limit of a login shell, and the limit in docker-compose.yml."""
PATIENCE_S = 20.0
SOMAXCONN = Path("/proc/sys/net/core/somaxconn")
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1  # netdevice(7)
_REQUEST = b"GET /livez HTTP/1.1\r\nHost: bench\r\n\r\n"


def main() -> None:
    """Measure and print."""
    loopback_up()
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    with tempfile.TemporaryDirectory(prefix="speechpipeline-bench-") as folder:
        json.dump([admitted(Path(folder)), served(Path(folder))], sys.stdout)


def admitted(folder: Path) -> dict[str, Any]:
    """Return how many clients are connected while the bridge does not run, by the length of the kernel's queue.

    The others are not refused: they send their SYN again after a second, then after two more (RFC 6298).
    """
    shares = {}
    for length in QUEUES:
        SOMAXCONN.write_text(str(length))
        with Process(bridge(max(OPEN_FILES)), folder, every_core()) as process, ExitStack() as connections:
            process.suspend()
            waiting_for = connect(process.port, connections)
            shares[f"somaxconn {length}"] = 100 * len(waiting_for.select(0)) / CLIENTS
            process.resume()
    return figure("connected at once, while the bridge does not run", shares)


def served(folder: Path) -> dict[str, Any]:
    """Return how many clients with a connection each get a response, by the limit of open files."""
    shares = {}
    for limit in OPEN_FILES:
        with Process(bridge(limit), folder, every_core()) as process, ExitStack() as connections:
            responses = sum(1 for _ in answered(connect(process.port, connections)))
            shares[f"{limit} open files"] = 100 * responses / CLIENTS
    return figure(f"served within {PATIENCE_S:g} s, all connections kept", shares)


def connect(port: int, connections: ExitStack) -> selectors.BaseSelector:
    """Let all clients connect at once; they can write when they are connected."""
    waiting_for = connections.enter_context(selectors.DefaultSelector())
    for _ in range(CLIENTS):
        client = connections.enter_context(socket.socket())
        client.settimeout(0)
        client.connect_ex((HOST, port))
        waiting_for.register(client, selectors.EVENT_WRITE)
    return waiting_for


def answered(clients: selectors.BaseSelector) -> Iterator[socket.socket]:
    """Send the request of each client once it is connected; yield the clients that get a response."""
    deadline = time.monotonic() + PATIENCE_S
    while clients.get_map() and (left := deadline - time.monotonic()) > 0:
        for key, events in clients.select(left):
            client: socket.socket = key.fileobj  # type: ignore[assignment]
            try:
                if events & selectors.EVENT_WRITE:
                    client.send(_REQUEST)
                    clients.modify(client, selectors.EVENT_READ)
                    continue
                complete = client.recv(4096).startswith(b"HTTP/1.1 200")
            except OSError:
                complete = False
            clients.unregister(client)
            if complete:
                yield client


def bridge(limit: int) -> Program:
    """The bridge with a limit of open files; its upstreams are not called."""
    command = ["sh", "-c", f"ulimit -n {limit}; exec {sys.executable} -m speechbridge"]
    return Program("bridge", command, {**LISTEN, "LOG_LEVEL": "error"}, "/livez")


def every_core() -> set[int]:
    """The cores that this process may use."""
    return os.sched_getaffinity(0)


def figure(what: str, shares: dict[str, float]) -> dict[str, Any]:
    """Return the arguments of a `Figure`."""
    return {"what": what, "unit": "% of the clients", "values": shares}


def loopback_up() -> None:
    """Start the loopback device, which is down in a new network namespace."""
    with socket.socket() as any_socket:
        ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _IFF_UP))


if __name__ == "__main__":
    main()
