"""Chooses the audio track of a container, while the container is read: once, from beginning to end."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

import av.error
import numpy as np

from speechwhisper import disk
from speechwhisper.audio.tracks import MAX_CHUNK, Track, silence
from speechwhisper.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.packet import Packet

    from speechwhisper.audio.resampling import Chunk

    AnyPacket = Packet[Any]

_MICROSECONDS = 1_000_000
_MAX_TRACKS = 16
_MAX_READ_ERRORS = 1000
"""Consecutive ones, after which the rest of a damaged container is given up. Each one skips data."""
_SOUND_PEAK = 32
"""Of 16-bit samples, -60 dBFS: a track that is never louder is silent."""
_HELD_BYTES = 4 * 1024 * 1024
"""A held track is in memory up to this size (two minutes), and in a temporary file beyond."""
_SAMPLE_BYTES = 2


class Selection:
    """The requested audio track, or the best one that can be decoded and is not silent.

    The best one is that of FFmpeg's selection, by the container's default flag and the number of channels; then come
    the others in order. They are decoded side by side until the best one has sound, since an upload is read only once.
    Meanwhile silence is counted, and of the others only the first one with sound is held.

    Args:
        container: An open container.
        max_seconds: Longest duration.
        audio_track: Number of the track, 0-based, as in FFmpeg's `0:a:N`; None for the best one.
        separate: Whether all channels are kept; otherwise they are mixed to one.

    Attributes:
        track: The chosen one; None until it is.

    Raises:
        Problem: `no_audio_stream`, `not_audio`, or `bad_field` if the track does not exist.
    """

    def __init__(
        self, container: InputContainer, max_seconds: float, audio_track: int | None, *, separate: bool
    ) -> None:
        streams = _best_first(container) if audio_track is None else [_requested(container, audio_track)]
        origin = None if container.start_time is None else container.start_time / _MICROSECONDS
        self._candidates = [_Candidate(Track(stream, origin, max_seconds, separate=separate)) for stream in streams]
        self._active = {candidate.track.index: candidate for candidate in self._candidates}
        self._packets = _packets(container, streams)
        self._unread = False
        self._declared = {stream.index: _declared_seconds(container, stream) for stream in streams}
        self.track = self._candidates[0].track if len(streams) == 1 else None

    @property
    def declared_seconds(self) -> float | None:
        """The duration of the chosen track according to the header of the file; None if it is not known."""
        return None if self.track is None else self._declared[self.track.index]

    def chunks(self) -> Iterator[Chunk]:
        """Yield the samples of the chosen track: as they are decoded once it is chosen, those before it at once.

        Raises:
            Problem: `not_audio`, `audio_too_long`, `bad_field` if there are too many channels to keep them separate, or
                `no_space` if the disk is full.
        """
        with ExitStack() as stack:
            for candidate in self._candidates:
                stack.callback(candidate.drop)
            best = self._candidates[0]
            for candidate, chunk in self._decoded():
                if candidate.track is self.track:
                    yield chunk
                    continue
                loud = _is_loud(chunk)
                if candidate is best and loud:
                    self._keep(best)
                    self.track = best.track
                    yield from best.held()
                    yield chunk
                elif candidate.hold(chunk, loud=loud):
                    self._keep(*self._candidates[: self._candidates.index(candidate) + 1])
            chosen = self._first_with_sound()
            if self.track is None:
                self.track = chosen.track
                yield from chosen.held()
            if not self.track.samples and (self.track.failures or self._unread):
                raise Problem("not_audio", "The audio track cannot be decoded.")

    def _decoded(self) -> Iterator[tuple[_Candidate, Chunk]]:
        for packet in self._packets:
            if packet is None:
                self._unread = True  # damage, if further packets follow; otherwise tags or padding at the end
                continue
            if self._unread and packet.size:  # not one of the empty packets at the end
                self._unread = False
                for candidate in self._active.values():
                    candidate.track.skip()
            if packet_of := self._active.get(packet.stream_index):
                for chunk in packet_of.track.feed(packet):
                    yield packet_of, chunk
        for candidate in self._candidates:
            if candidate.track.index in self._active:
                for chunk in candidate.track.finish():
                    yield candidate, chunk

    def _keep(self, *candidates: _Candidate) -> None:
        """Decode only these from now on."""
        for index, candidate in list(self._active.items()):
            if candidate not in candidates:
                del self._active[index]
                candidate.drop()

    def _first_with_sound(self) -> _Candidate:
        active = [candidate for candidate in self._candidates if candidate.track.index in self._active]
        audible = [candidate for candidate in active if candidate.has_sound]
        decoded = [candidate for candidate in active if candidate.track.samples]
        return (audible or decoded or active)[0]


class _Candidate:
    """A track that may be chosen, and what was decoded of it.

    Attributes:
        has_sound: Whether anything but silence was held.
    """

    def __init__(self, track: Track) -> None:
        self.track = track
        self.has_sound = False
        self._channels = 1
        self._silent = 0
        self._file: tempfile.SpooledTemporaryFile[bytes] | None = None

    def hold(self, chunk: Chunk, *, loud: bool) -> bool:
        """Keep a chunk; before the first sound, only its length.

        Returns:
            Whether it is the track's first sound.
        """
        first = loud and not self.has_sound
        self.has_sound = self.has_sound or loud
        self._channels = len(chunk)
        if not self.has_sound:
            self._silent += chunk.shape[1]
            return False
        if self._file is None:
            self._file = tempfile.SpooledTemporaryFile(_HELD_BYTES)  # noqa: SIM115 - closed by `drop`
        with disk.room():
            self._file.write(chunk.T.tobytes())
        return first

    def held(self) -> Iterator[Chunk]:
        """Yield what was kept."""
        yield from silence(self._channels, self._silent)
        if self._file is not None:
            with disk.room():
                self._file.seek(0)  # writes what is buffered
            while data := self._file.read(MAX_CHUNK * self._channels * _SAMPLE_BYTES):
                yield np.frombuffer(data, np.int16).reshape(-1, self._channels).T

    def drop(self) -> None:
        """Discard what was kept."""
        if self._file is not None:
            with suppress(OSError):  # after a failed write it tries once more
                self._file.close()


def no_such_track(audio_track: int, count: int) -> Problem:
    """Return the problem of a request for a track that the file does not have."""
    tracks = "1 audio track, number 0" if count == 1 else f"{count} audio tracks, numbers 0 to {count - 1}"
    detail = f"There is no audio track {audio_track}: the file has {tracks}."
    return Problem("bad_field", detail, param="audio_track")


def _declared_seconds(container: InputContainer, stream: AudioStream) -> float | None:
    known = []
    if stream.duration and stream.time_base:
        known.append(float(stream.duration * stream.time_base))
    if container.duration and (known or len(container.streams) == 1):  # otherwise it may be that of a longer video
        known.append(container.duration / _MICROSECONDS)
    return min(known, default=None)


def _is_loud(chunk: Chunk) -> bool:
    return bool(max(int(chunk.max()), -int(chunk.min())) > _SOUND_PEAK)


def _requested(container: InputContainer, audio_track: int) -> AudioStream:
    streams = _audio_streams(container)
    if audio_track >= len(streams):
        raise no_such_track(audio_track, len(streams))
    if streams[audio_track].codec_context is None:
        raise Problem("not_audio", f"Audio track {audio_track} has an unknown codec.")
    return streams[audio_track]


def _audio_streams(container: InputContainer) -> Sequence[AudioStream]:
    if not container.streams.audio:
        raise Problem("no_audio_stream", f"The file ({container.format.name}) has no audio track.")
    return container.streams.audio


def _best_first(container: InputContainer) -> list[AudioStream]:
    """Return the audio tracks with a known codec, the best one first."""
    streams = _audio_streams(container)
    best = container.streams.best("audio")
    known = [stream for stream in streams if stream.codec_context is not None]
    if not known:
        raise Problem("not_audio", "The audio track has an unknown codec.")
    return sorted(known, key=lambda stream: stream is not best)[:_MAX_TRACKS]


def _packets(container: InputContainer, streams: Sequence[AudioStream]) -> Iterator[AnyPacket | None]:
    """Yield the packets of the tracks, and None for data that cannot be read: FFmpeg then looks for the next packet."""
    errors = 0
    while errors < _MAX_READ_ERRORS:
        try:
            for packet in container.demux(streams):
                errors = 0
                yield packet
        except av.error.FFmpegError:
            errors += 1
            yield None
        else:
            return
