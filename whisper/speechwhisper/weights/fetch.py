"""Fetches weights into a volume: under a lock, into a partial folder, verified, and renamed into place.

A volume with the weights of `small` looks like this:

    Systran--faster-whisper-small/           config.json model.bin tokenizer.json vocabulary.txt fetched.json
    .Systran--faster-whisper-small.lock      held while a process fetches them
    .Systran--faster-whisper-small.partial/  what has been received, from which the next attempt continues
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from typing import TYPE_CHECKING, Any

from speechwhisper.weights import volume_lock
from speechwhisper.weights.errors import ChecksumError, DiskFullError, FetchError
from speechwhisper.weights.listing import RemoteFile, verify
from speechwhisper.weights.names import MANIFEST, find_in_hub_cache, folder_name
from speechwhisper.weights.progress import Progress
from speechwhisper.weights.transfer import NO_SPACE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from speechwhisper.weights.listing import Listing, Source
    from speechwhisper.weights.reporting import Reporter

_VERIFIED_ATTEMPTS = 2
_SPARE_BYTES = 16 * 1024 * 1024
"""Free space to leave on the volume, for its own metadata and ours."""


def _delete_nothing() -> bool:
    return False


def fetch(
    model: str,
    into: Path,
    source: Source,
    revision: str,
    reporter: Reporter,
    make_room: Callable[[], bool] = _delete_nothing,
) -> Path:
    """Provide the weights of a model in a folder; return the folder with them.

    Weights that are already there are used without asking the source. Those that came from a folder or a web server
    serve for every revision, and a hub does not replace them.

    Args:
        model: The name by which the server finds them.
        into: The volume.
        source: Where they come from.
        revision: The version that was asked for; empty for a folder or a web server, which have one.
        reporter: Is told about the progress.
        make_room: Deletes what is not needed, and returns whether there was something. It is called when the weights
            are there, or before that if they need the space.

    Raises:
        FetchError: The weights cannot be provided.
    """
    try:
        into.mkdir(parents=True, exist_ok=True)
        if (ready := _present(model, into, revision)) is None:
            lock = into / f".{folder_name(model)}.lock"
            with volume_lock.held(lock, lambda: reporter.publish(Progress(model, "waiting"))):
                ready = _present(model, into, revision) or _fetch(model, into, source, revision, reporter, make_room)
        make_room()
    except OSError as error:
        if error.errno in NO_SPACE:
            raise DiskFullError(f"no space left in {into}") from error
        raise FetchError(f"cannot write to {into}: {error.strerror or error}") from error
    total = sum(path.stat().st_size for path in ready.iterdir() if path.is_file())
    reporter.publish(Progress(model, "ready", total, total))
    return ready


def _present(model: str, into: Path, revision: str) -> Path | None:
    """Return the folder with undamaged weights of this version, None if there is none.

    Raises:
        FetchError: Weights that came from a folder or a web server are damaged, and a hub may not replace them.
    """
    folder = into / folder_name(model)
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        requested, origin = manifest["requested"], manifest["origin"]
        sizes = {name: file["size"] for name, file in manifest["files"].items()}
    except FileNotFoundError:
        return find_in_hub_cache(model, into) if revision in {"", "main"} else None
    except (ValueError, KeyError, TypeError):
        return None  # damaged: fetched again
    if requested not in {"", revision}:
        return None
    damaged = [name for name in sizes if _size(folder / name) != sizes[name]]
    if damaged and revision and not requested:
        raise FetchError(
            f"{folder / damaged[0]} is damaged: fetch the weights from {origin} again, or delete {folder} to download "
            f"{model}"
        )
    return None if damaged else folder


def _fetch(
    model: str, into: Path, source: Source, revision: str, reporter: Reporter, make_room: Callable[[], bool]
) -> Path:
    reporter.publish(Progress(model, "downloading"))
    listing = source.list()
    partial = into / f".{folder_name(model)}.partial"
    partial.mkdir(exist_ok=True)
    parts = {file: partial / _part_name(file) for file in listing.files}
    _discard(partial, parts)
    try:
        _check_space(listing, parts, into)
    except DiskFullError:
        if not make_room():
            raise
        _check_space(listing, parts, into)
    for attempt in range(1, _VERIFIED_ATTEMPTS + 1):
        try:
            with reporter.sampling(lambda: sum(map(_size, parts.values())), listing.total):
                for file, part in parts.items():
                    source.download(file, listing.revision, part)
            digests = _verified(model, parts, listing, reporter)
        except ChecksumError as error:
            if attempt == _VERIFIED_ATTEMPTS:
                raise ChecksumError(f"{source.origin}: {error}, twice") from error
        else:
            break
    _finish(partial, parts)
    manifest = {
        "model": model,
        "origin": source.origin,
        "requested": revision,
        "revision": listing.revision,
        "files": {file.name: {"size": _size(partial / file.name), "sha256": digests[file]} for file in parts},
    }
    return _put_in_place(partial, into / folder_name(model), manifest)


def _part_name(file: RemoteFile) -> str:
    """Return the name of a partial file; it depends on the version, so that versions do not mix."""
    version = file.sha256 or file.git_oid or file.etag
    return f"{file.name}.{hashlib.sha256(version.encode()).hexdigest()[:12]}.part"


def _discard(partial: Path, parts: dict[RemoteFile, Path]) -> None:
    """Delete what belongs to another version, or to a version that cannot be told."""
    usable = {part for file, part in parts.items() if file.sha256 or file.git_oid or file.etag}
    for path in partial.iterdir():
        if path not in usable:
            path.unlink()


def _check_space(listing: Listing, parts: dict[RemoteFile, Path], into: Path) -> None:
    missing = sum(max(0, (file.size or 0) - _size(part)) for file, part in parts.items())
    free = shutil.disk_usage(into).free
    if missing and missing + _SPARE_BYTES > free:
        raise DiskFullError(
            f"the weights need {missing / 1e6:.0f} MB more ({(listing.total or missing) / 1e6:.0f} MB in all), but "
            f"{into} has only {free / 1e6:.0f} MB free"
        )


def _verified(model: str, parts: dict[RemoteFile, Path], listing: Listing, reporter: Reporter) -> dict[RemoteFile, str]:
    """Return the SHA-256 of each file; a wrong file is deleted.

    Raises:
        ChecksumError: A file is wrong.
    """
    reporter.publish(Progress(model, "verifying", sum(map(_size, parts.values())), listing.total))
    digests = {}
    for file, part in parts.items():
        try:
            digests[file] = verify(file, part)
        except ChecksumError:
            part.unlink()
            raise
    return digests


def _finish(partial: Path, parts: dict[RemoteFile, Path]) -> None:
    """Write the files to the disk and give them their names."""
    for file, part in parts.items():
        with part.open("rb") as written:
            os.fsync(written.fileno())
        part.rename(partial / file.name)


def _put_in_place(partial: Path, folder: Path, manifest: dict[str, Any]) -> Path:
    """Rename the complete folder; weights of another version are deleted."""
    (partial / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")
    old = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    partial.rename(folder)
    shutil.rmtree(old, ignore_errors=True)
    return folder


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
