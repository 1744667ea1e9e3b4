"""Stand-ins for what the plugin talks to: an API server with given objects, and a kubectl that forwards a port."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType
    from typing import Self

Object = dict[str, Any]


class StandInApi:
    """Answers GET by path: `objects` with one object, `lists` with items, in pages of two if a limit is given.

    `refused` are paths that are forbidden; what is unknown is not found. `watched` are the events of a watch, and
    `expired` tokens that are not accepted.
    """

    def __init__(self) -> None:
        self.objects: dict[str, Object] = {}
        self.lists: dict[str, list[Object]] = {}
        self.refused: set[str] = set()
        self.expired: set[str] = set()
        self.watched: list[Object] = []
        self.requests: list[web.BaseRequest] = []
        self.allowed = True
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._server = TestServer(app)

    async def __aenter__(self) -> Self:
        await self._server.start_server()
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await self._server.close()

    def kubeconfig(self, folder: Path, namespace: str = "team-a") -> Path:
        """Write a kubeconfig with two contexts: `here`, the current one, and `nowhere`."""
        path = folder / "kubeconfig"
        url = str(self._server.make_url("")).rstrip("/")
        path.write_text(yaml.safe_dump(kubeconfig(url, namespace)))
        return path

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if token in self.expired or request.path in self.refused:
            return (
                _refusal(401, "Unauthorized")
                if token in self.expired
                else _refusal(403, f"{request.path} is forbidden")
            )
        if request.method == "POST":
            return web.json_response({"status": {"allowed": self.allowed}})
        if "watch" in request.query:
            lines = "".join(f"{json.dumps(event)}\n" for event in self.watched)
            return web.Response(text=lines, content_type="application/json")
        if request.path in self.lists:
            return self._page(request)
        if request.path in self.objects:
            return web.json_response(self.objects[request.path])
        return _refusal(404, f"{request.path} not found")

    def _page(self, request: web.Request) -> web.Response:
        start = int(request.query.get("continue", 0))
        items = self.lists[request.path]
        following = {"continue": f"{start + 2}"} if start + 2 < len(items) else {}
        return web.json_response({"items": items[start : start + 2], "metadata": following})


def kubeconfig(url: str, namespace: str) -> Object:
    """A kubeconfig of the server at `url`, and a second context whose server does not exist."""
    users = [{"name": "jo", "user": {"token": "secret"}}]
    servers = {"here": url, "nowhere": "http://127.0.0.1:1"}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "users": users,
        "clusters": [{"name": name, "cluster": {"server": server}} for name, server in servers.items()],
        "contexts": [
            {"name": name, "context": {"cluster": name, "user": "jo", "namespace": namespace}} for name in servers
        ],
    }


def kubectl(folder: Path, says: str, *, stays: bool = True, while_there: Path | None = None) -> Path:
    """Put a program `kubectl` into a folder that logs its arguments and prints a line; return its log.

    Then it runs until it is stopped, or until the file `while_there` is gone, or it fails if it does not stay.
    """
    log, program = folder / "kubectl.log", folder / "kubectl"
    end = "exec sleep 600" if stays else "exit 1"
    if while_there:
        end = f"while [ -e '{while_there}' ]; do sleep 0.02; done"
    new = folder / "kubectl.new"  # a running script is read line by line: it must not be overwritten
    new.write_text(f"#!/bin/sh\necho \"$@\" >> '{log}'\necho '{says}'\n{end}\n")
    new.chmod(0o755)
    new.replace(program)
    return log


def _refusal(status: int, message: str) -> web.Response:
    return web.json_response({"kind": "Status", "message": message}, status=status)
