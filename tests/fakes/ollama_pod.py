"""Ollama as the operator meets it: a pod at an address of its own, with a volume that /api/pull fills.

Lines and errors as in Ollama 0.17.4: server/images.go (PullModel), server/download.go and server/routes.go.
"""

import asyncio
import hashlib
import json
from collections import Counter
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any

from fakes.faults import EndsEarly, Fault, StreamError
from fakes.gates import Point
from fakes.ollama import FakeOllama
from fakes.ollama_models import Model
from fakes.received import Received
from fakes.sending import Reply, wire

PIECES = 8
TICK_S = 0.06
"""Seconds between two lines of a pull (server/download.go, Wait)."""
MIB = 1 << 20
DISK_FULL = "write /cache/models/blobs/sha256-7d5bb8-partial-0: no space left on device"
"""What the real one says; give it to StreamError."""


@dataclass(frozen=True)
class Layer:
    digest: str
    size: int


@dataclass
class Volume:
    """What outlives a pod, and what pods with one claim share: models, blobs, and the beginnings of blobs."""

    models: dict[str, Model] = field(default_factory=dict)
    layers: dict[str, int] = field(default_factory=dict)
    """Digest -> bytes that are there."""
    pulling: Counter[str] = field(default_factory=Counter)
    """Model -> pulls of it that run now."""
    most_at_once: int = 0
    """The most pulls of one model that ever ran at once; more than one is wasted work."""


class Registry:
    """What can be pulled: name as a client writes it -> its layers, in the order they are pulled."""

    def __init__(self, models: Iterable[str] | Mapping[str, tuple[Layer, ...]] = ()) -> None:
        given = models if isinstance(models, Mapping) else {name: layers_of(name) for name in models}
        self.models = {full_name(name): layers for name, layers in given.items()}


class FakeOllamaPod(FakeOllama):
    """`async with FakeOllamaPod(registry).listen_on("127.0.0.7", port)`.

    A pull stops at `Point.BEFORE_CHUNK` before each of a layer's PIECES pieces. A pull whose client leaves keeps what
    it has; the next one goes on there. Faults befall a pull by `script(fault, only=is_pull)`; StreamError and
    EndsEarly count the pieces before it.
    """

    def __init__(self, registry: Registry | None = None, volume: Volume | None = None) -> None:
        super().__init__(models=())
        self.registry = registry or Registry()
        self.volume = volume or Volume()
        self.models = self.volume.models

    async def answer(self, received: Received, fault: Fault | None) -> Reply:
        match (received.method, received.path):
            case ("POST", "/api/pull"):
                return self._pull(received.json, fault)
            case ("POST", "/api/create"):
                return self._create(received.json)
            case ("POST", "/api/copy"):
                return self._copy(received.json)
            case ("DELETE", "/api/delete"):
                return self._delete(received.json)
            case _:
                return await super().answer(received, fault)

    @property
    def pulls(self) -> list[Received]:
        return [received for received in self.requests if is_pull(received)]

    def _pull(self, body: Any, fault: Fault | None) -> Reply:
        name = isinstance(body, dict) and (body.get("model") or body.get("name"))
        if not name:
            return _error(400, "invalid model name")
        return Reply(self._pulled(full_name(name), fault), content_type="application/x-ndjson")

    async def _pulled(self, name: str, fault: Fault | None) -> AsyncGenerator[bytes]:
        yield _line(status="pulling manifest")
        if name not in self.registry.models:
            yield _line(error="pull model manifest: file does not exist")
            return
        volume, pieces = self.volume, 0
        volume.pulling[name] += 1
        volume.most_at_once = max(volume.most_at_once, volume.pulling[name])
        try:
            for layer in self.registry.models[name]:
                if volume.layers.get(layer.digest, 0) == layer.size:
                    yield _progress(layer, layer.size)
                while (there := volume.layers.get(layer.digest, 0)) < layer.size:
                    if isinstance(fault, StreamError) and pieces == fault.after:
                        yield _line(error=fault.message)
                        return
                    if isinstance(fault, EndsEarly) and pieces == fault.after:
                        return
                    async with aclosing(self._waiting(layer, there)) as lines:
                        async for line in lines:
                            yield line
                    pieces += 1
                    volume.layers[layer.digest] = min(layer.size, there + -(-layer.size // PIECES))
                    yield _progress(layer, volume.layers[layer.digest])
        finally:
            volume.pulling[name] -= 1
        yield _line(status="verifying sha256 digest")
        yield _line(status="writing manifest")
        layers = self.registry.models[name]
        volume.models[name] = Model(name, size=sum(layer.size for layer in layers), digest=_sha256(name))
        yield _line(status="success")

    async def _waiting(self, layer: Layer, there: int) -> AsyncGenerator[bytes]:
        """Repeat a line until the next piece is here, as the real one does even if nothing comes any more."""
        piece = asyncio.ensure_future(self.at(Point.BEFORE_CHUNK))
        try:
            while not piece.done():
                yield _progress(layer, there)
                await asyncio.wait({piece}, timeout=TICK_S)
        finally:
            piece.cancel()

    def _create(self, body: Any) -> Reply:
        """A model from another one; the same members give the same digest."""
        base = self.models.get(full_name(body["from"]))
        if base is None:
            return Reply(_line(error=f"model '{body['from']}' not found"), content_type="application/x-ndjson")
        defined = {name: body[name] for name in ("system", "template", "parameters") if name in body}
        digest = _sha256(base.digest + json.dumps(defined, sort_keys=True))
        name = full_name(body["model"])
        self.models[name] = replace(base, name=name, digest=digest)
        lines = [_line(status="writing manifest"), _line(status="success")]
        return Reply(b"".join(lines), content_type="application/x-ndjson")

    def _copy(self, body: Any) -> Reply:
        source = self.models.get(full_name(body["source"]))
        if source is None:
            return _error(404, f'model "{body["source"]}" not found')
        name = full_name(body["destination"])
        self.models[name] = replace(source, name=name)
        return Reply(b"")

    def _delete(self, body: Any) -> Reply:
        name = body.get("model") or body.get("name")
        if self.models.pop(full_name(name), None) is None:
            return _error(404, f"model '{name}' not found")
        return Reply(b"")


def is_pull(received: Received) -> bool:
    """For `script(..., only=is_pull)`."""
    return received.path == "/api/pull"


def full_name(name: str) -> str:
    """As Ollama lists it: with a tag. A registry's port is no tag."""
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"


def layers_of(name: str) -> tuple[Layer, ...]:
    """A large layer and three small ones, as a real model has; layers of other names have other digests."""
    sizes = {"weights": 98 * MIB, "license": 11_358, "template": 1_024, "config": 487}
    return tuple(Layer(f"sha256:{_sha256(name + kind)}", size) for kind, size in sizes.items())


def _progress(layer: Layer, completed: int) -> bytes:
    """Go leaves out `completed` while it is zero."""
    there = {"completed": completed} if completed else {}
    return _line(status=f"pulling {layer.digest[7:19]}", digest=layer.digest, total=layer.size, **there)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _line(**content: object) -> bytes:
    return wire(content) + b"\n"


def _error(status: int, message: str) -> Reply:
    return Reply(wire({"error": message}), status, "application/json; charset=utf-8")
