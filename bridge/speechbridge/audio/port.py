"""The port through which transcribers read audio, and its implementation for recordings in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from speechbridge.audio.containers import Tracks, container_of, estimated_seconds

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
        """The first bytes, at most 64: enough to recognise the container."""

    @property
    def size(self) -> int | None:
        """The size in bytes, None while the upload is incomplete."""

    @property
    def replayable(self) -> bool:
        """Whether `chunks` can be called again."""

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
        return self._data[:64]

    @property
    def size(self) -> int:
        """The size in bytes."""
        return len(self._data)

    @property
    def replayable(self) -> bool:
        """Always."""
        return True

    async def buffer_until_ready(self) -> None:
        """Return at once: the recording is complete."""

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the recording as one chunk."""
        yield self._data


def estimated_duration(audio: Audio, expected_size: int | None) -> float:
    """Estimate a recording's duration in seconds from its first bytes and its actual or declared size."""
    return estimated_seconds(audio.head, audio.size or expected_size or 0)


def known_duration(audio: Audio, expected_size: int | None) -> float | None:
    """Return a recording's duration in seconds if its header and its actual or declared size tell it, else None."""
    size = audio.size or expected_size
    return estimated_seconds(audio.head, size) if size and container_of(audio.head) == "wav" else None


def is_recognised(audio: Audio) -> bool:
    """Return whether the first bytes are those of an audio or video container."""
    return container_of(audio.head) is not None


async def is_video_without_audio(audio: Audio) -> bool:
    """Return whether a complete, replayable recording is a video without an audio track."""
    tracks = Tracks()
    async for chunk in audio.chunks():
        tracks.feed(chunk)
    return tracks.video_only
