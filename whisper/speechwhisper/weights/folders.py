"""Weights from a folder, on this machine or on a web server."""

from __future__ import annotations

import shutil
import urllib.error
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from speechwhisper.weights.errors import DeniedError, DiskFullError, FetchError, UnknownModelError, UnreachableError
from speechwhisper.weights.listing import Listing, RemoteFile, chosen
from speechwhisper.weights.names import OPTIONAL, REQUIRED, VOCABULARIES
from speechwhisper.weights.transfer import NO_SPACE, reason

if TYPE_CHECKING:
    from pathlib import Path

    from speechwhisper.weights.transfer import Web

_SUMS = "SHA256SUMS"
_NOT_FOUND = frozenset({404, 410})
_DENIED = frozenset({401, 403})
_HEADERS = {"User-Agent": "speechwhisper"}


@dataclass(frozen=True, slots=True)
class LocalFolder:
    """A folder with weights, such as a mounted share."""

    folder: Path

    @property
    def origin(self) -> str:
        """The folder."""
        return str(self.folder)

    def list(self) -> Listing:
        """Return the files with their sizes.

        Raises:
            UnknownModelError: The folder has no weights.
        """
        if not self.folder.is_dir():
            raise UnknownModelError(f"{self.folder} is not a folder")
        names = chosen({path.name for path in self.folder.iterdir()}, self.origin)
        return Listing("", tuple(RemoteFile(name, (self.folder / name).stat().st_size) for name in names))

    def download(self, file: RemoteFile, revision: str, part: Path) -> None:  # noqa: ARG002 - there is one version
        """Copy a file.

        Raises:
            FetchError: It cannot be copied.
        """
        try:
            shutil.copyfile(self.folder / file.name, part)
        except OSError as error:
            if error.errno in NO_SPACE:
                raise DiskFullError(f"no space left for {file.name} in {part.parent}") from error
            raise FetchError(f"cannot copy {self.folder / file.name}: {error.strerror}") from error


@dataclass(frozen=True, slots=True)
class WebFolder:
    """A folder with weights on a web server; a file SHA256SUMS in it is used if it exists.

    Attributes:
        web: Makes the requests.
        url: The URL of the folder, with a slash at its end.
    """

    web: Web
    url: str

    @property
    def origin(self) -> str:
        """The URL, without a password."""
        parts = urlsplit(self.url)
        return parts._replace(netloc=parts.netloc.rsplit("@", 1)[-1]).geturl()

    def list(self) -> Listing:
        """Return the files with sizes and, as far as known, checksums.

        Raises:
            FetchError: The server does not have them, refuses them or does not answer.
        """
        sums = self._sums()
        known = [self._head(name, sums.get(name, "")) for name in (*REQUIRED, *OPTIONAL, *VOCABULARIES)]
        files = {file.name: file for file in known if file is not None}
        return Listing("", tuple(files[name] for name in chosen(files, self.origin)))

    def download(self, file: RemoteFile, revision: str, part: Path) -> None:  # noqa: ARG002 - there is one version
        """Complete a partial file.

        Raises:
            FetchError: The server refuses it or fails.
        """
        try:
            self.web.download(file, self.url + file.name, _HEADERS, part)
        except urllib.error.HTTPError as error:
            raise self._error(error) from error

    def _head(self, name: str, sha256: str) -> RemoteFile | None:
        try:
            with self.web.patiently(self.url + name, {**_HEADERS, "Accept-Encoding": "identity"}, "HEAD") as response:
                size, etag = response.headers.get("Content-Length"), response.headers.get("ETag", "")
        except urllib.error.HTTPError as error:
            if error.code in _NOT_FOUND:
                return None
            raise self._error(error) from error
        strong = "" if etag.startswith("W/") else etag  # RFC 9110, section 13.1.5: If-Range needs a strong one
        return RemoteFile(name, int(size) if size else None, sha256, etag=strong)

    def _sums(self) -> dict[str, str]:
        """Return the checksums by name, in the format of coreutils' sha256sum."""
        try:
            with self.web.patiently(self.url + _SUMS, _HEADERS) as response:
                lines = response.read().decode(errors="replace").splitlines()
        except urllib.error.HTTPError as error:
            if error.code in _NOT_FOUND:
                return {}
            raise self._error(error) from error
        pairs = (line.split(maxsplit=1) for line in lines if line.strip())
        return {pair[1].removeprefix("*"): pair[0] for pair in pairs if len(pair) == 2}  # noqa: PLR2004 - sum, name

    def _error(self, error: urllib.error.HTTPError) -> FetchError:
        if error.code in _DENIED:
            return DeniedError(f"{self.origin} {reason(error)}")
        if error.code in _NOT_FOUND:
            return UnknownModelError(f"{self.origin} {reason(error)}")
        return UnreachableError(f"{self.origin} {reason(error)}")
