"""SmolLM2 as a model registry keeps it: a manifest and blobs, in the folder layout of Docker's registry.

The layout is the one of distribution's file system driver (distribution/distribution, registry/storage/paths.go); the
manifest is the one that `ollama create` and `ollama push` make from the same weights, so `/api/pull` works unchanged.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

REPOSITORY = "library/smollm2"
TAGS = ("135m", "135m-instruct-q4_1")
# One thread: on a machine with other load, several threads wait for each other and generate 2 tokens/s instead of 5.
PARAMETERS = {"num_predict": 256, "num_thread": 1, "stop": ["<|im_start|>", "<|im_end|>"], "temperature": 0}
TEMPLATE = "{{- range .Messages }}<|im_start|>{{ .Role }}\n{{ .Content }}<|im_end|>\n{{ end }}<|im_start|>assistant\n"
DESCRIPTION = {
    "model_format": "gguf",
    "model_family": "llama",
    "model_families": ["llama"],
    "model_type": "134.52M",
    "file_type": "Q4_1",
    "architecture": "amd64",
    "os": "linux",
}
MANIFEST_TYPE = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG_TYPE = "application/vnd.docker.container.image.v1+json"
LAYER_TYPE = "application/vnd.ollama.image"


@dataclass(frozen=True)
class Blob:
    """What a manifest says of one of its parts; `digest` is `sha256:...`, `size` in bytes."""

    media_type: str
    digest: str
    size: int

    def json(self) -> dict[str, Any]:
        """Return the descriptor."""
        return {"mediaType": self.media_type, "digest": self.digest, "size": self.size}


def write(root: Path, weights: Path) -> str:
    """Write the model into an empty folder `root`, which then is a registry's; return the manifest's digest.

    Args:
        root: created.
        weights: the GGUF file; linked where the file system allows it, else copied.
    """
    with weights.open("rb") as file:
        model = Blob(
            f"{LAYER_TYPE}.model", f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}", weights.stat().st_size
        )
    place = _blob_place(root, model.digest)
    try:
        place.hardlink_to(weights)
    except OSError:
        shutil.copyfile(weights, place)
    layers = [
        model,
        _write_blob(root, f"{LAYER_TYPE}.template", TEMPLATE.encode()),
        _write_blob(root, f"{LAYER_TYPE}.params", _compact(PARAMETERS)),
    ]
    described = {**DESCRIPTION, "rootfs": {"type": "layers", "diff_ids": [layer.digest for layer in layers]}}
    config = _write_blob(root, CONFIG_TYPE, _compact(described))
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": config.json(),
        "layers": [one.json() for one in layers],
    }
    written = _write_blob(root, MANIFEST_TYPE, _compact(manifest))
    _link(root, written.digest, *(blob.digest for blob in (config, *layers)))
    return written.digest


def _link(root: Path, manifest: str, *blobs: str) -> None:
    """Name the manifest by its tags, and the blobs as the repository's own."""
    repository = root / "docker/registry/v2/repositories" / REPOSITORY
    named = [f"_manifests/tags/{tag}/{place}" for tag in TAGS for place in ("current", f"index/{_path(manifest)}")]
    for place in (*named, f"_manifests/revisions/{_path(manifest)}"):
        _write(repository / place / "link", manifest.encode())
    for blob in blobs:
        _write(repository / "_layers" / _path(blob) / "link", blob.encode())


def _write_blob(root: Path, media_type: str, content: bytes) -> Blob:
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    _blob_place(root, digest).write_bytes(content)
    return Blob(media_type, digest, len(content))


def _blob_place(root: Path, digest: str) -> Path:
    algorithm, _, value = digest.partition(":")
    place = root / "docker/registry/v2/blobs" / algorithm / value[:2] / value / "data"
    place.parent.mkdir(parents=True)
    return place


def _write(place: Path, content: bytes) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)


def _path(digest: str) -> str:
    return digest.replace(":", "/")


def _compact(content: dict[str, Any]) -> bytes:
    """Return JSON as Go's encoder writes it: the digests are then those that Ollama itself arrives at."""
    text = json.dumps(content, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").encode() + b"\n"
