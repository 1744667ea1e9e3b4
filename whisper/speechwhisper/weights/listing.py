"""What a source has of a model, and whether a file is what the source announced."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from speechwhisper.weights.errors import ChecksumError, UnknownModelError
from speechwhisper.weights.names import OPTIONAL, REQUIRED, VOCABULARIES

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

_CHUNK_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file of a model.

    Attributes:
        name: Its name, without a folder.
        size: Its size in bytes, None if unknown.
        sha256: Its SHA-256 in hexadecimal, empty if unknown.
        git_oid: Its SHA-1 as a Git blob in hexadecimal, empty if unknown.
        etag: Its entity tag, quoted, empty if unknown.
    """

    name: str
    size: int | None = None
    sha256: str = ""
    git_oid: str = ""
    etag: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """The files of a model at a source.

    Attributes:
        revision: What identifies this version, such as a commit; empty if unknown.
        files: The files.
    """

    revision: str
    files: tuple[RemoteFile, ...]

    @property
    def total(self) -> int | None:
        """The size of all files in bytes, None if unknown."""
        sizes = [file.size for file in self.files if file.size is not None]
        return sum(sizes) if len(sizes) == len(self.files) else None


class Source(Protocol):
    """Where weights come from."""

    @property
    def origin(self) -> str:
        """What is fetched from where, for people."""

    def list(self) -> Listing:
        """Return what there is.

        Raises:
            FetchError: It cannot be determined.
        """

    def download(self, file: RemoteFile, revision: str, part: Path) -> None:
        """Complete the partial file `part`.

        Raises:
            FetchError: It cannot be completed; what has been received is kept.
        """


def chosen(names: Collection[str], origin: str) -> list[str]:
    """Return those of the files that the server needs.

    Raises:
        UnknownModelError: Required ones are missing: these are no CTranslate2 weights.
    """
    vocabulary = [name for name in VOCABULARIES if name in names][:1]
    missing = [name for name in REQUIRED if name not in names]
    if missing or not vocabulary:
        lacks = ", ".join((*missing, *(() if vocabulary else ("vocabulary.json",))))
        raise UnknownModelError(
            f"{origin} has no CTranslate2 weights of Whisper: {lacks} not found. Choose a model converted for "
            "faster-whisper, or convert it with ct2-transformers-converter"
        )
    return [*REQUIRED, *(name for name in OPTIONAL if name in names), *vocabulary]


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def verify(file: RemoteFile, path: Path) -> str:
    """Compare a complete file with what was announced; return its SHA-256 in hexadecimal.

    Raises:
        ChecksumError: It is different.
    """
    size, digest = path.stat().st_size, sha256(path)
    if file.size is not None and size != file.size:
        raise ChecksumError(f"{file.name} has {size} bytes instead of {file.size}")
    if file.sha256 and digest != file.sha256.lower():
        raise ChecksumError(f"{file.name} has the SHA-256 {digest} instead of {file.sha256}")
    if file.git_oid and not file.sha256 and (found := _git_oid(path, size)) != file.git_oid.lower():
        raise ChecksumError(f"{file.name} has the Git object id {found} instead of {file.git_oid}")
    return digest


def _git_oid(path: Path, size: int) -> str:
    """Return the id of a file as a Git blob.

    Source: https://git-scm.com/book/en/v2/Git-Internals-Git-Objects
    """
    digest = hashlib.sha1(f"blob {size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
