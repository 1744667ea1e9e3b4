"""Whether a container registry answers: a server on the loopback address stands for one, or for a proxy."""

from __future__ import annotations

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from speechlocal.containers import registries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.unit

REGISTRY = {"Docker-Distribution-Api-Version": "registry/2.0"}


@pytest.fixture
def serve() -> Iterator[Callable[[int, dict[str, str]], str]]:
    """Return a function that starts a server with one answer and returns its address."""
    servers: list[ThreadingHTTPServer] = []

    def start(status: int, headers: dict[str, str]) -> str:
        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        return f"http://127.0.0.1:{server.server_port}/v2/"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("status", [200, 401])
def test_a_registry_answers_with_or_without_authentication(
    serve: Callable[[int, dict[str, str]], str], status: int
) -> None:
    assert registries.answers(serve(status, REGISTRY))


@pytest.mark.parametrize(("status", "headers"), [(200, {}), (403, REGISTRY), (401, {}), (502, {})])
def test_a_proxy_is_no_registry(
    serve: Callable[[int, dict[str, str]], str], status: int, headers: dict[str, str]
) -> None:
    assert not registries.answers(serve(status, headers))


def test_a_closed_port_is_no_registry() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        assert not registries.answers(f"http://127.0.0.1:{taken.getsockname()[1]}/v2/")
    assert not registries.answers("http://registry.invalid/v2/")


def test_a_silent_registry_times_out() -> None:
    # Without a timeout, closing the socket ends the request.
    with ThreadPoolExecutor(1) as asker, socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        asking = asker.submit(registries.answers, f"http://127.0.0.1:{silent.getsockname()[1]}/v2/", timeout_s=0.1)

        assert asking.result(timeout=60) is False
