"""Who may use the service: callers that name one of the API keys lying in a folder, one key a file.

A Kubernetes Secret mounted as a folder is such a one. Without a folder everybody may.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from speechbridge.errors import Problem
from speechbridge.telemetry import logs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_REREAD = 10.0  # seconds after which the folder is looked at again: keys come and go without a restart
_SCHEME = "bearer "


class ApiKeys:
    """The keys of a folder; files whose names begin with a dot are passed over, as are blank ones.

    Args:
        folder: Its path; empty: no key is asked for.
        clock: Seconds that only go up.
    """

    def __init__(self, folder: str, clock: Callable[[], float]) -> None:
        self._folder = Path(folder) if folder else None
        self._clock = clock
        self._read_at = clock()
        self._known: frozenset[bytes] = frozenset()
        if self._folder is not None:
            self._known = self._read(self._folder)

    def check(self, headers: Mapping[str, str]) -> None:
        """Let a request pass that names a key, as `Authorization: Bearer KEY` or `X-API-Key: KEY`.

        Raises:
            Problem: `invalid_api_key`.
        """
        if self._folder is None:
            return
        if self._clock() - self._read_at > _REREAD:
            self._read_at = self._clock()
            self._known = self._read(self._folder)
        named = _named(headers)
        # Looked up by digest: how long that takes tells nothing of the keys.
        if named and _digest(named) in self._known:
            return
        what = "This API key is not known here" if named else "This service asks for an API key"
        how = "send one as 'Authorization: Bearer KEY', or in the header X-API-Key"
        raise Problem("invalid_api_key", f"{what}: {how}.")

    def _read(self, folder: Path) -> frozenset[bytes]:
        try:
            files = [file for file in folder.iterdir() if not file.name.startswith(".") and file.is_file()]
            keys = {file.read_bytes().strip() for file in files} - {b""}
        except OSError as error:
            logs.warning("API keys cannot be read, the old ones stay", folder=str(folder), why=str(error))
            return self._known
        if not keys:
            logs.warning("no API key: every request is refused", folder=str(folder))
        return frozenset(_digest(key) for key in keys)


def _named(headers: Mapping[str, str]) -> bytes:
    authorization = headers.get("Authorization", "")
    if authorization.lower().startswith(_SCHEME):
        return authorization[len(_SCHEME) :].strip().encode(errors="surrogateescape")
    return headers.get("X-API-Key", "").strip().encode(errors="surrogateescape")


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()
