"""Authentication: requests need one of the API keys in a folder, one key per file, such as a mounted Secret.

Without a folder no key is required.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from speechbridge.errors import Problem
from speechbridge.telemetry import logs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_REREAD_S = 10.0  # so that keys can be added and revoked without a restart
_SCHEME = "bearer "


class ApiKeys:
    """The keys in a folder; files whose names begin with a dot are ignored, as are blank ones.

    Args:
        folder: Its path; empty if no key is required.
        clock: Seconds of a monotonic clock.
    """

    def __init__(self, folder: str, clock: Callable[[], float]) -> None:
        self._folder = Path(folder) if folder else None
        self._clock = clock
        self._read_at = clock()
        self._known: frozenset[bytes] = frozenset()
        if self._folder is not None:
            self._known = self._read(self._folder)

    def check(self, headers: Mapping[str, str]) -> str:
        """Accept a request with a key, as `Authorization: Bearer KEY` or `X-API-Key: KEY`.

        Returns:
            Whose request it is: the digest of its key; empty if no key is required.

        Raises:
            Problem: `invalid_api_key`.
        """
        if self._folder is None:
            return ""
        if self._clock() - self._read_at > _REREAD_S:
            self._read_at = self._clock()
            self._known = self._read(self._folder)
        named = _named(headers)
        # Looked up by digest, so that the duration reveals nothing about the keys.
        if named and (digest := _digest(named)) in self._known:
            return digest.hex()
        what = "The API key is invalid" if named else "An API key is required"
        how = "send one as 'Authorization: Bearer KEY', or in the X-API-Key header"
        raise Problem("invalid_api_key", f"{what}: {how}.")

    def _read(self, folder: Path) -> frozenset[bytes]:
        try:
            files = [file for file in folder.iterdir() if not file.name.startswith(".") and file.is_file()]
            keys = {_key(file) for file in files} - {b""}
        except OSError as error:
            logs.warning("cannot read the API keys, keeping the old ones", folder=str(folder), reason=str(error))
            return self._known
        if not keys:
            logs.warning("no API key found: every request is rejected", folder=str(folder))
        return frozenset(_digest(key) for key in keys)


def _key(file: Path) -> bytes:
    """Return the key in a file; empty if the file may not be read, so that the other keys are accepted all the same."""
    try:
        return file.read_bytes().strip()
    except PermissionError as error:
        logs.error("an API key is ignored: its file must be readable by the bridge", file=str(file), reason=str(error))
        return b""


def _named(headers: Mapping[str, str]) -> bytes:
    authorization = headers.get("Authorization", "")
    if authorization.lower().startswith(_SCHEME):
        return authorization[len(_SCHEME) :].strip().encode(errors="surrogateescape")
    return headers.get("X-API-Key", "").strip().encode(errors="surrogateescape")


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()
