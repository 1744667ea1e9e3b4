"""A form that arrives piece by piece, as a test sends it."""

import asyncio
import hashlib
from collections.abc import AsyncIterator

from bridge.wire import BOUNDARY, CLOSING, part

HEADERS = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


class Arriving:
    """The body of a request of aiohttp's."""

    def __init__(self) -> None:
        self._pieces: asyncio.Queue[bytes] = asyncio.Queue()
        self._digest = hashlib.sha256()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while data := await self._pieces.get():
            yield data

    def fields(self, **fields: str) -> None:
        for name, value in fields.items():
            self._pieces.put_nowait(part(name, value))

    def begin(self, audio: bytes = b"") -> None:
        """The file, as far as this piece of it."""
        self._digest.update(audio)
        self._pieces.put_nowait(part("file", audio, filename="a.wav")[:-2])

    def audio(self, audio: bytes) -> None:
        self._digest.update(audio)
        self._pieces.put_nowait(audio)

    def end(self, **fields: str) -> None:
        self._pieces.put_nowait(b"\r\n")
        self.fields(**fields)
        self._pieces.put_nowait(CLOSING)
        self.end_too_early()

    def end_too_early(self) -> None:
        """The body ends here, though the form has not."""
        self._pieces.put_nowait(b"")

    @property
    def sha256(self) -> str:
        """Of the file so far."""
        return self._digest.hexdigest()
