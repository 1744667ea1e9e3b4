"""The port through which transcribers read audio, and its implementation for recordings in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from speechbridge.audio.containers import Tracks, container_of
from speechbridge.audio.headers.excerpt import HEAD_BYTES, TAIL_BYTES, Excerpt

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class RestartRequired(Exception):  # noqa: N818 - an event, not an error
    """The pod has to be released, and the audio sent again from its start once `buffer_until_ready` returns.

    Either the upload no longer arrives fast enough to occupy a Whisper slot, or a form field arrived that the request
    to the pod should have included.
    """


class Audio(Protocol):
    """A recording that may still be arriving."""

    @property
    def filename(self) -> str:
        """The name of the file, as sent; may be empty."""

    @property
    def content_type(self) -> str:
        """The type of the file, as sent; may be empty."""

    @property
    def head(self) -> bytes:
        """The first bytes, at most 4 KiB: enough to recognise the container and, mostly, its duration."""

    @property
    def tail(self) -> bytes:
        """The last bytes, at most 64 KiB, if the audio is complete and its duration is at its end; else empty."""

    @property
    def received(self) -> int:
        """Bytes received so far."""

    @property
    def waited(self) -> float:
        """Seconds spent waiting for the sender."""

    @property
    def size(self) -> int | None:
        """The size in bytes, None while the upload is incomplete."""

    @property
    def whole(self) -> tuple[bytes, ...] | None:
        """The chunks of the whole recording, once it and all fields have arrived and if it is in memory; else None."""

    @property
    def replayable(self) -> bool:
        """Whether `chunks` can be called again."""

    def commit(self) -> None:
        """Note that `chunks` will not be called again: the client has a part of the transcript."""

    def discard(self) -> None:
        """Free what is buffered: there is a transcript, and nothing reads `chunks` any more. What is known remains."""

    async def buffer_until_ready(self) -> None:
        """Return once enough has arrived for a Whisper slot; until then the upload is buffered."""

    def chunks(self) -> AsyncIterator[bytes]:
        """Yield the recording from its start.

        Raises:
            RestartRequired: The upload is too slow for a Whisper slot.
            Problem: The upload is invalid.
        """


class AudioBytes:
    """A recording in memory."""

    def __init__(self, data: bytes, filename: str, content_type: str) -> None:
        self.filename = filename
        self.content_type = content_type
        self._data = data

    @property
    def head(self) -> bytes:
        """The first bytes."""
        return self._data[:HEAD_BYTES]

    @property
    def tail(self) -> bytes:
        """The last bytes."""
        return self._data[-TAIL_BYTES:]

    @property
    def received(self) -> int:
        """All bytes."""
        return len(self._data)

    @property
    def waited(self) -> float:
        """Never."""
        return 0.0

    @property
    def size(self) -> int:
        """The size in bytes."""
        return len(self._data)

    @property
    def whole(self) -> tuple[bytes, ...]:
        """The recording."""
        return (self._data,)

    @property
    def replayable(self) -> bool:
        """Always."""
        return True

    def commit(self) -> None:
        """Keep the recording all the same."""

    def discard(self) -> None:
        """Keep it: the request, which it is a part of, holds it."""

    async def buffer_until_ready(self) -> None:
        """Return at once: the recording is complete."""

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the recording as one chunk."""
        yield self._data


def excerpt_of(audio: Audio, expected_size: int | None) -> Excerpt:
    """Return what there is of a recording to learn its duration from.

    Args:
        audio: The recording; may still be arriving.
        expected_size: Its declared size in bytes, if any.
    """
    size = audio.size
    if size is not None:
        return Excerpt(audio.head, max(1, size), audio.tail, complete=True)
    return Excerpt(audio.head, max(1, audio.received, expected_size or 0), complete=False)


def is_recognised(audio: Audio) -> bool:
    """Return whether the first bytes are those of an audio or video container."""
    return container_of(audio.head) is not None


async def is_video_without_audio(audio: Audio) -> bool:
    """Return whether a complete, replayable recording is a video without an audio track."""
    tracks = Tracks()
    async for chunk in audio.chunks():
        tracks.feed(chunk)
    return tracks.video_only
