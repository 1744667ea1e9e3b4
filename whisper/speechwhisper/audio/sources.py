"""Opens an upload as a media file: read as a stream if its format allows, from a temporary copy otherwise."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import AbstractContextManager, closing, nullcontext, suppress
from typing import IO, TYPE_CHECKING, Protocol

import av
import av.error

from speechwhisper import disk
from speechwhisper.audio.containers import FORMATS, HEAD_BYTES, needs_seeking
from speechwhisper.errors import Problem

if TYPE_CHECKING:
    from av.container import InputContainer

_SPOOL_READ_BYTES = 1024 * 1024
OPTIONS = {"format_whitelist": FORMATS, "protocol_whitelist": "none"}
"""No protocol: FFmpeg opens no file or URL, whatever an upload refers to."""


class Readable(Protocol):
    """A file read from beginning to end."""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes, at least one unless at the end."""


class _Replayed:
    """A source with its head prepended; without `seek`, so PyAV reads it as a stream."""

    def __init__(self, head: bytes, rest: Readable) -> None:
        self._head = head
        self._rest = rest

    def read(self, size: int = -1) -> bytes:
        if not self._head:
            return self._rest.read(size)
        cut = size if size >= 0 else len(self._head)
        chunk, self._head = self._head[:cut], self._head[cut:]
        return chunk


class _Spooled:
    """An unlinked temporary copy of a source; reading it fails as the source does once its client has disconnected."""

    def __init__(self, file: IO[bytes], source: _Replayed) -> None:
        self.seek = file.seek
        self.tell = file.tell
        self.close = file.close
        self._file = file
        self._source = source

    def read(self, size: int = -1) -> bytes:
        self._source.read(0)  # nothing, or the source's exception
        return self._file.read(size)


def openable(source: Readable) -> AbstractContextManager[_Spooled | _Replayed]:
    """Return the source or, for a file read out of order, a temporary copy.

    Raises:
        Problem: `empty_file`, or `no_space` for the copy.
    """
    head = _read_head(source)
    if not head:
        raise Problem("empty_file", "The file is empty.")
    replayed = _Replayed(head, source)
    return closing(_spooled(replayed)) if needs_seeking(head) else nullcontext(replayed)


def open_media(file: _Spooled | _Replayed) -> InputContainer:
    """Open the container of a media file.

    Raises:
        Problem: `not_audio`.
    """
    try:
        return av.open(file, "r", options=OPTIONS, metadata_errors="ignore")
    except (av.error.FFmpegError, ValueError) as error:
        raise Problem("not_audio", "The file is not audio or video that can be decoded.") from error


def _read_head(source: Readable) -> bytes:
    head = bytearray()
    while len(head) < HEAD_BYTES and (chunk := source.read(HEAD_BYTES - len(head))):
        head += chunk
    return bytes(head)


def _spooled(source: _Replayed) -> _Spooled:
    with disk.room():
        file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by the caller
        try:
            shutil.copyfileobj(source, file, _SPOOL_READ_BYTES)
            file.seek(0)
        except BaseException:
            with suppress(OSError):  # it tries once more to write what it has
                file.close()
            raise
    return _Spooled(file, source)
