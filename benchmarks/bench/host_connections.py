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
from statistics import median
from typing import TYPE_CHECKING

from bench.processes import HOST, Process, Program
from bench.stats import percentile
from bench.subjects import LISTEN

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

CLIENTS = 1500
QUEUES = (128, 1024, 4096)
"""The default of `somaxconn` before Linux 5.4, what the bridge asks for, and the default since."""
OPEN_FILES = (1024, 16384)
"""The usual soft limit of a login shell, and the limit in docker-compose.yml."""
ROUNDS = 3
STOPPED_S = 0.1
"""A period of a container's CPU quota: so long does a bridge not run that has used it up."""
AGAIN_S = 0.9
"""A client that is not admitted to the queue sends its SYN again after a second (RFC 6298, section 2)."""
PATIENCE_S = 10.0
SOMAXCONN = Path("/proc/sys/net/core/somaxconn")
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1  # netdevice(7)
_REQUEST = b"GET /livez HTTP/1.1\r\nHost: bench\r\n\r\n"


def main() -> None:
    """Measure and print."""
    loopback_up()
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    with tempfile.TemporaryDirectory(prefix="speechpipeline-bench-") as folder:
        json.dump([*waiting(Path(folder)), open_files(Path(folder))], sys.stdout)


def waiting(folder: Path) -> list[dict[str, Any]]:
    """Return how many clients have to connect again, and how long the slowest take, by the length of the queue."""
    again: dict[str, list[float]] = {}
    slowest: dict[str, list[float]] = {}
    for length in QUEUES:
        SOMAXCONN.write_text(str(length))
        with Process(bridge(max(OPEN_FILES)), folder, every_core()) as process:
            bursts = [burst(process, STOPPED_S) for _ in range(ROUNDS)]
        name = f"somaxconn {length}"
        again[name] = [100 * sum(seconds > AGAIN_S for seconds in took) / CLIENTS for took in bursts]
        slowest[name] = [percentile(took, 0.99) for took in bursts]
    return [
        figure("had to connect again", "% of the clients", again),
        figure("p99 from connecting to the response", "s", slowest),
    ]


def open_files(folder: Path) -> dict[str, Any]:
    """Return how many clients with a connection each are served, by the limit of open files."""
    served: dict[str, list[float]] = {}
    for limit in OPEN_FILES:
        with Process(bridge(limit), folder, every_core()) as process:
            served[f"{limit} open files"] = [100 * len(burst(process, 0.0)) / CLIENTS]
    return figure(f"served within {PATIENCE_S:g} s", "% of the clients", served)


def burst(process: Process, stopped: float) -> list[float]:
    """Connect all clients at once, each with a request, and keep their connections until the last one is served.

    Returns:
        Seconds from connecting to the response, of those that got one in time.
    """
    with selectors.DefaultSelector() as waiting_for, ExitStack() as connections:
        if stopped:
            process.suspend()
        until = time.perf_counter() + stopped
        for _ in range(CLIENTS):
            client = connections.enter_context(socket.socket())
            client.settimeout(0)
            client.connect_ex((HOST, process.port))
            waiting_for.register(client, selectors.EVENT_WRITE, time.perf_counter())
        if stopped:
            time.sleep(max(0.0, until - time.perf_counter()))
            process.resume()
        return list(responses(waiting_for))


def responses(clients: selectors.BaseSelector) -> Iterator[float]:
    """Send the request of each client once it is connected; yield how long its response took."""
    deadline = time.perf_counter() + PATIENCE_S
    while clients.get_map() and (left := deadline - time.perf_counter()) > 0:
        for key, events in clients.select(left):
            client: socket.socket = key.fileobj  # type: ignore[assignment]
            try:
                if events & selectors.EVENT_WRITE:
                    client.send(_REQUEST)
                    clients.modify(client, selectors.EVENT_READ, key.data)
                    continue
                answered = client.recv(4096).startswith(b"HTTP/1.1 200")
            except OSError:
                answered = False
            clients.unregister(client)
            if answered:
                yield time.perf_counter() - key.data


def bridge(limit: int) -> Program:
    """The bridge with a limit of open files; its upstreams are not called."""
    command = ["sh", "-c", f"ulimit -n {limit}; exec {sys.executable} -m speechbridge"]
    return Program("bridge", command, {**LISTEN, "LOG_LEVEL": "error"}, "/livez")


def every_core() -> set[int]:
    """The cores that this process may use."""
    return os.sched_getaffinity(0)


def figure(what: str, unit: str, taken: dict[str, list[float]]) -> dict[str, Any]:
    """Return the arguments of a `Figure`, with the median over the rounds."""
    return {"what": what, "unit": unit, "values": {name: median(samples) for name, samples in taken.items()}}


def loopback_up() -> None:
    """Start the loopback device, which is down in a new network namespace."""
    with socket.socket() as any_socket:
        ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _IFF_UP))


if __name__ == "__main__":
    main()
