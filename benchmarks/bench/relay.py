"""The minimum cost of forwarding a token: `python relay.py PORT UPSTREAM_PORT`, one read and one write for each.

It takes the prompt out of `POST /process`, asks the stub's `/api/chat` with it, and hands over what comes, byte for
byte. No bridge is this; the figure says how much of what a bridge uses is system calls and waking up, on this machine.
"""

from __future__ import annotations

import json
import re
import socket
import sys

HOST = "127.0.0.1"
READ_SIZE = 64 * 1024
HEAD_END = b"\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"
LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
PROMPT = re.compile(rb'name="prompt"\r\n\r\n(.*?)\r\n')


def main() -> None:
    """Serve one connection after the other, until killed."""
    port, upstream_port = map(int, sys.argv[1:])
    with socket.create_server((HOST, port)) as listening:
        while True:
            client, _ = listening.accept()
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with client, socket.create_connection((HOST, upstream_port)) as upstream:
                while request := read_request(client):
                    answer(request, client, upstream)


def read_request(client: socket.socket) -> bytes:
    """A whole request; nothing when the client has gone."""
    data = b""
    while (end := data.find(HEAD_END)) < 0:
        if not (more := client.recv(READ_SIZE)):
            return b""
        data += more
    length = LENGTH.search(data, 0, end)
    whole = end + len(HEAD_END) + (int(length[1]) if length else 0)
    while len(data) < whole:
        data += client.recv(READ_SIZE)
    return data


def answer(request: bytes, client: socket.socket, upstream: socket.socket) -> None:
    """Pass on the answer of the stub; whatever is not a question gets a short one, for readiness."""
    prompt = PROMPT.search(request)
    if prompt is None:
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK")
        return
    body = json.dumps({"messages": [{"role": "user", "content": prompt[1].decode()}]}).encode()
    upstream.sendall(b"POST /api/chat HTTP/1.1\r\nHost: stub\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
    tail = b""
    while tail != LAST_CHUNK:
        data = upstream.recv(READ_SIZE)
        if not data:
            raise ConnectionError("the stub closed the connection")
        client.sendall(data)
        tail = (tail + data)[-len(LAST_CHUNK) :]


if __name__ == "__main__":
    main()
