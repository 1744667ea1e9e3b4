"""Audio on its way to a pod: the port that transcribers read from, and the form of it that lies in memory already."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from speechbridge.audio.containers import Tracks, container_of, estimated_seconds

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class FellBehind(Exception):  # noqa: N818 - an event, not an error
    """The audio no longer comes fast enough to hold a Whisper slot; `settle` it, then read it anew."""


class Audio(Protocol):
    """A recording that may still be arriving."""

    filename: str
    content_type: str

    @property
    def head(self) -> bytes:
        """The first bytes (up to 64), enough to tell the container."""

    @property
    def size(self) -> int | None:
        """The number of bytes, or None while they still come."""

    @property
    def replayable(self) -> bool:
        """Whether `chunks` can be called again."""

    async def settle(self) -> None:
        """Wait until enough has arrived to take a Whisper slot for it."""

    def chunks(self) -> AsyncIterator[bytes]:
        """Yield the whole recording from its start; raises FellBehind, or Problem for what the sender did wrong."""


class AudioBytes:
    """A recording in memory."""

    def __init__(self, data: bytes, filename: str, content_type: str) -> None:
        self.filename = filename
        self.content_type = content_type
        self._data = data

    @property
    def head(self) -> bytes:
        """The first bytes."""
        return self._data[:64]

    @property
    def size(self) -> int:
        """The number of bytes."""
        return len(self._data)

    @property
    def replayable(self) -> bool:
        """Always."""
        return True

    async def settle(self) -> None:
        """It is all there."""

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield it whole."""
        yield self._data


def seconds_of(audio: Audio, expected_size: int | None) -> float:
    """Estimate a recording's length in seconds from its first bytes and its size, known or declared."""
    return estimated_seconds(audio.head, audio.size or expected_size or 0)


def is_recognised(audio: Audio) -> bool:
    """Tell whether the first bytes are those of an audio or video container."""
    return container_of(audio.head) is not None


async def is_silent_film(audio: Audio) -> bool:
    """Tell whether a recording that is there, and can be read again, is a video without a track of sound."""
    tracks = Tracks()
    async for piece in audio.chunks():
        tracks.look(piece)
    return tracks.silent
