#!/usr/bin/python3 -IS
"""Health check of a container: `healthcheck PORT /path` exits with 0 if the server in it answers 200 or 204.

It runs every few seconds in every container, so it imports next to nothing: 15 ms of CPU.
"""

import socket
import sys

TIMEOUT_S = 5.0
HEALTHY = (b"200", b"204")


def main(port: str, path: str) -> int:
    """Send a request; print the status line if the server is healthy, else the whole response."""
    try:
        with socket.create_connection(("127.0.0.1", int(port)), timeout=TIMEOUT_S) as connection:
            connection.sendall(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
            answer = b"".join(iter(lambda: connection.recv(4096), b""))
    except OSError as error:
        sys.stdout.write(f"port {port}: {error}\n")
        return 1
    healthy = answer.split(maxsplit=2)[1:2] in [[status] for status in HEALTHY]
    sys.stdout.write((answer.splitlines()[0] if healthy and answer else answer).decode(errors="replace") + "\n")
    return 0 if healthy else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
