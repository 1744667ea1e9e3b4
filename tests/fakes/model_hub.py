"""A model hub as fetching weights meets it: the Hugging Face hub's API, its redirects, and its faults.

Quirks of the real one, and where they are written down:
- `GET /api/models/NAME/revision/REVISION?blobs=true` lists the files as `siblings` with `size`, `blobId` and, for large
  ones, `lfs.sha256` (https://huggingface.co/docs/hub/api; `ModelInfo` in `hf_api.py` of huggingface_hub).
- A file of Git LFS is a redirect to a presigned URL on another host. Such a URL of S3 is answered with 400 "Only one
  auth mechanism allowed" if the request has an Authorization header (`get_hf_file_metadata` and
  `_is_same_or_hub_host` in `file_download.py`).
- Names that do not exist are answered 401 without a token, and 404 `RepoNotFound` with one. Gated models list their
  files to everybody and refuse the files with `GatedRepo`: 401 without a token, 403 with one of an account that has not
  accepted the conditions (`hf_raise_for_status` in `utils/_http.py`).
- `X-Error-Message` explains.

It needs only the standard library and runs in a pod as well: `python3 model_hub.py FOLDER URL` serves the weights in a
folder as those of `NAME`, and of all names that begin with it, at a URL whose port it listens on.
"""

from __future__ import annotations

import hashlib
import json
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = "Systran/faster-whisper-tiny"
COMMIT = "d90ca5fe260221311c53c58e660288d3deb8d356"
TOKEN = "hf_valid"  # noqa: S105 - of the fake
OTHER_TOKEN = "hf_other"  # noqa: S105 - valid, of an account that has not accepted the conditions

FILES = {
    "config.json": b'{"alignment_heads": []}',
    "tokenizer.json": b'{"version": "1.0"}',
    "vocabulary.txt": b"<|endoftext|>\n",
    "model.bin": bytes(range(256)) * 1024,
    "README.md": b"# Whisper tiny",
}
LARGE = frozenset({"model.bin"})
DOWNLOAD = "download of"
"""With the name of a large file, the line that `main` prints."""


class ModelHub:
    """The state of the hub, and what it was asked.

    Attributes:
        url: Its address; the files of Git LFS are at another one.
        files: The files of the model `NAME`.
        gated: Whether the model's conditions must be accepted.
        private: Whether the model needs a token to be seen.
        cuts: Bytes after which the coming downloads of large files are cut; each is used once.
        fail_next: Statuses for the coming requests, before anything else.
        ignores_ranges: Whether a range is answered with the whole file, as some caches do.
        corrupt: How many times a wrong byte is sent in the large file.
        requests: Method, path and headers of each request, in order; the CDN's paths begin with /cdn.
    """

    def __init__(self) -> None:
        self.url = self.cdn = ""
        self.files = dict(FILES)
        self.gated = self.private = self.ignores_ranges = False
        self.cuts: list[int] = []
        self.fail_next: list[int] = []
        self.corrupt = 0
        self.requests: list[tuple[str, str, dict[str, str]]] = []

    def paths(self, method: str = "GET") -> list[str]:
        """The paths of the requests with a method."""
        return [path for found, path, _ in self.requests if found == method]

    def ranges(self) -> list[str]:
        """The ranges of the downloads from the CDN, empty for a whole file."""
        return [headers.get("range", "") for _, path, headers in self.requests if path.startswith("/cdn/")]


class _Handler(BaseHTTPRequestHandler):
    hub: ModelHub
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        hub = self.hub
        path = unquote(urlsplit(self.path).path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        hub.requests.append((self.command, path, headers))
        if hub.fail_next:
            return self._error(hub.fail_next.pop(0))
        if path.startswith("/cdn/"):
            return self._cdn(path.removeprefix("/cdn/"), headers)
        token = headers.get("authorization", "").removeprefix("Bearer ")
        if token not in {"", TOKEN, OTHER_TOKEN}:
            return self._error(401, message="Invalid credentials in Authorization header")
        if NAME not in path or (hub.private and token != TOKEN):
            return (
                self._error(404, "RepoNotFound", "Repository not found")
                if token
                else self._error(401, message="Invalid username or password.")
            )
        if path.startswith("/api/models/"):
            return self._listing(path.rpartition("/revision/")[2])
        return self._file(path.partition("/resolve/")[2], token)

    do_HEAD = do_GET  # noqa: N815 - the name that http.server calls

    def _listing(self, revision: str) -> None:
        if revision not in {"main", "v1", COMMIT}:
            return self._error(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        siblings = [_sibling(name, content) for name, content in self.hub.files.items()]
        return self._send(
            json.dumps({"id": NAME, "sha": COMMIT, "gated": self.hub.gated, "siblings": siblings}).encode()
        )

    def _file(self, place: str, token: str) -> None:
        revision, _, name = place.partition("/")
        if self.hub.gated and token != TOKEN:
            return self._error(403 if token else 401, "GatedRepo", f"Access to model {NAME} is restricted.")
        if revision != COMMIT or name not in self.hub.files:
            return self._error(404, "EntryNotFound", "Entry not found")
        if name not in LARGE:
            return self._send(self.hub.files[name])
        self.send_response(302)
        self.send_header("Location", f"{self.hub.cdn}/cdn/{name}?X-Amz-Signature=1")
        self.send_header("X-Linked-Etag", f'"{hashlib.sha256(self.hub.files[name]).hexdigest()}"')
        self.send_header("X-Linked-Size", str(len(self.hub.files[name])))
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", "0")
        self.end_headers()
        return None

    def _cdn(self, name: str, headers: dict[str, str]) -> None:
        if "authorization" in headers:
            return self._error(400, message="Only one auth mechanism allowed")
        content = self.hub.files[name]
        if self.hub.corrupt:
            self.hub.corrupt -= 1
            content = content[:-1] + b"?"
        start = 0 if self.hub.ignores_ranges else int(headers.get("range", "bytes=0-")[6:].rstrip("-"))
        if start >= len(content):
            return self._error(416)
        cut = self.hub.cuts.pop(0) if self.hub.cuts else None
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        self.wfile.write(content[start:] if cut is None else content[start : start + cut])
        if cut is not None:
            self.close_connection = True
        return None

    def _send(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _error(self, status: int, code: str = "", message: str = "") -> None:
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
        if message:
            self.send_header("X-Error-Message", message)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Log nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False


@contextmanager
def running() -> Iterator[ModelHub]:
    """Run a hub on loopback: the hub itself and its CDN listen on ports of their own."""
    hub = ModelHub()
    handler = type("Handler", (_Handler,), {"hub": hub})
    servers = [_Server(("127.0.0.1", 0), handler) for _ in range(2)]
    threads = [threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True) for server in servers]
    for thread in threads:
        thread.start()
    hub.url, hub.cdn = (f"http://127.0.0.1:{server.server_address[1]}" for server in servers)
    try:
        yield hub
    finally:
        for server, thread in zip(servers, threads, strict=True):
            server.shutdown()
            thread.join()
            server.server_close()


def main(folder: str, url: str) -> None:
    """Serve the files of a folder until the process ends; print the path of each download of a large file."""
    hub = ModelHub()
    hub.files = {path.name: path.read_bytes() for path in Path(folder).iterdir()}
    hub.url = hub.cdn = url
    handler = type("Handler", (_Talkative,), {"hub": hub})
    _Server(("", urlsplit(url).port or 80), handler).serve_forever()


class _Talkative(_Handler):
    def _cdn(self, name: str, headers: dict[str, str]) -> None:
        print(f"{DOWNLOAD} {name}", flush=True)  # noqa: T201 - the log of its pod
        super()._cdn(name, headers)


def _sibling(name: str, content: bytes) -> dict[str, object]:
    blob = hashlib.sha1(f"blob {len(content)}\0".encode() + content, usedforsecurity=False).hexdigest()
    found: dict[str, object] = {"rfilename": name, "size": len(content), "blobId": blob}
    if name in LARGE:
        found["lfs"] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 134}
    return found


if __name__ == "__main__":
    main(*sys.argv[1:])
