"""Which file each recording is written to. A file that exists is finished: it is only put in place when complete."""

from __future__ import annotations

import contextlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from speechcli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

FORMATS = {"srt": "srt", "vtt": "vtt", "json": "verbose_json", "txt": "text"}
"""Endings of files, each with the `response_format` of the bridge."""


@dataclass(frozen=True)
class Job:
    """A recording, and the file for its transcript."""

    source: Path
    target: Path


def jobs(files: Iterable[Path], ending: str, into: Path | None) -> tuple[Job, ...]:
    """Return a job for each file: its transcript is beside it, or in the folder `into`, with another ending.

    A file that is named twice is transcribed once.

    Raises:
        UsageError: two files would have the same transcript, or a transcript would replace a recording.
    """
    found: dict[Path, Job] = {}
    for source in dict.fromkeys(files):
        target = (into or source.parent) / f"{source.stem}.{ending}"
        if target == source:
            raise UsageError(f"{source} would be replaced by its own transcript", "choose a folder with --into")
        if other := found.get(target):
            raise UsageError(
                f"{other.source} and {source} would both be written to {target}",
                "transcribe them in two calls, with different folders for --into",
            )
        found[target] = Job(source, target)
    return tuple(found.values())


def write(target: Path, content: bytes) -> None:
    """Write a file in one step: whatever happens, it is complete or does not exist.

    Raises:
        OSError: it cannot be written.
    """
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".part")
    part = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.chmod(0o666 & ~_umask())
        part.replace(target)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            part.unlink()
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
