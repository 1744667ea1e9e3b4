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


def check_folders(planned: Iterable[Job]) -> None:
    """Raise UsageError if a folder for transcripts cannot be written: before recordings are sent for nothing."""
    for folder in dict.fromkeys(job.target.parent for job in planned):
        try:
            with tempfile.TemporaryFile(dir=folder):
                pass
        except FileNotFoundError:
            continue  # nor is there a recording: it fails for itself
        except OSError as error:
            raise UsageError(
                f"cannot write into the folder {folder}: {error.strerror}", "choose another with --into"
            ) from error


def current_umask() -> int:
    """Return the umask of the process. It is changed for a moment: not to be called beside other threads."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def write(target: Path, content: bytes, umask: int) -> None:
    """Write a file in one step: whatever happens, it is complete or does not exist.

    Args:
        target: the file.
        content: what it is to have.
        umask: the permissions that it is not to have.

    Raises:
        OSError: it cannot be written.
    """
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=".speech-", suffix=".part")
    part = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.chmod(0o666 & ~umask)
        part.replace(target)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            part.unlink()
        raise
