#!/usr/bin/python3 -IS
"""Whether a server in this container is well: `healthcheck PORT /path` ends with 0 when it answers 200 or 204.

It runs every few seconds in every container, so it imports next to nothing: 15 ms of CPU.
"""

import socket
import sys

TIMEOUT_S = 5.0
WELL = (b"200", b"204")


def main(port: str, path: str) -> int:
    """Ask once; print the status line, and the answer when it is none of a well server."""
    try:
        with socket.create_connection(("127.0.0.1", int(port)), timeout=TIMEOUT_S) as connection:
            connection.sendall(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
            answer = b"".join(iter(lambda: connection.recv(4096), b""))
    except OSError as error:
        sys.stdout.write(f"port {port}: {error}\n")
        return 1
    well = answer.split(maxsplit=2)[1:2] in [[status] for status in WELL]
    sys.stdout.write((answer.splitlines()[0] if well and answer else answer).decode(errors="replace") + "\n")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
