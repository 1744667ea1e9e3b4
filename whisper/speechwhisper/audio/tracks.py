"""Decodes the audio tracks of a container to 16 kHz mono, each sample at its time; and chooses one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import av.error
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray

from speechwhisper.audio.channels import Downmix, planar
from speechwhisper.audio.clock import Clock
from speechwhisper.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.packet import Packet

    from speechwhisper.audio.clock import Gap

    AnyPacket = Packet[Any]

RATE = 16_000
"""Samples per second."""

_MICROSECONDS = 1_000_000
_MAX_TRACKS = 16
_MAX_READ_ERRORS = 1000
"""Consecutive ones, after which the rest of a damaged container is given up. Each one skips data."""
_SOUND_PEAK = 32
"""Of 16-bit samples, -60 dBFS: a track that is never louder is silent."""

Chunk = NDArray[np.int16]


class Track:
    """An audio track, decoded packet by packet.

    Attributes:
        chunks: 16 kHz mono samples, 16 bits.
        failures: How many packets could not be decoded.
        has_sound: Whether anything but silence was decoded.
    """

    def __init__(self, stream: AudioStream, origin: float | None, max_seconds: float) -> None:
        self.index = stream.index
        self.chunks: list[Chunk] = []
        self.failures = 0
        self.has_sound = False
        self._max_seconds = max_seconds
        self._clock = Clock(origin, max_seconds)
        self._damaged = False
        self._samples = 0
        self._format: tuple[str, str, int] | None = None
        self._downmix: Downmix | None = None
        self._resampler: AudioResampler | None = None

    @property
    def gaps(self) -> Sequence[Gap]:
        """The stretches that were filled with silence."""
        return self._clock.gaps

    def feed(self, packet: AnyPacket) -> None:
        """Decode a packet; a damaged one is skipped, and its time becomes silence.

        Raises:
            Problem: `audio_too_long`.
        """
        if packet.is_corrupt:
            self.skip()
        try:
            frames = packet.decode()
        except av.error.FFmpegError:
            self.skip()
            return
        for frame in frames:
            self._add(cast("AudioFrame", frame))  # of an audio stream

    def skip(self) -> None:
        """Record that data was damaged."""
        self.failures += 1
        self._damaged = True

    def finish(self) -> None:
        """Complete the samples after the last packet."""
        self._flush()

    def _add(self, frame: AudioFrame) -> None:
        seconds = frame.samples / frame.sample_rate
        if self._clock.gap_before(frame.time, damaged=self._damaged):
            self._flush()
            # From the start of the recording, so that rounding does not accumulate.
            missing = round(self._clock.position * RATE) - self._samples
            self._append(np.zeros(max(0, missing), dtype=np.int16))
        self._clock.advance(seconds)
        self._damaged = False
        # A change of format within the file, as in concatenated recordings, starts a new resampler.
        current = (frame.format.name, frame.layout.name, frame.sample_rate)
        if current != self._format:
            self._flush()
            channels = frame.layout.nb_channels
            self._downmix = Downmix(channels, frame.sample_rate) if channels > 1 else None
            self._format = current
        if self._resampler is None:
            self._resampler = AudioResampler(format="s16", layout="mono", rate=RATE)
        frame = _mono(frame, self._downmix) if self._downmix else frame
        frame.pts = None
        for out in self._resampler.resample(frame):
            self._append(out.to_ndarray()[0])

    def _flush(self) -> None:
        if self._resampler is not None:
            for out in self._resampler.resample(None):
                self._append(out.to_ndarray()[0])
            self._resampler = None

    def _append(self, chunk: Chunk) -> None:
        self._samples += len(chunk)
        if self._samples > self._max_seconds * RATE:
            raise too_long(self._max_seconds)
        self.chunks.append(chunk)
        if not self.has_sound and len(chunk):
            self.has_sound = bool(max(int(chunk.max()), -int(chunk.min())) > _SOUND_PEAK)


def _mono(frame: AudioFrame, downmix: Downmix) -> AudioFrame:
    """Mix the channels. FFmpeg has no downmix for many layouts, and fails or drops channels."""
    # Not `to_ndarray`: of frames with more than eight channels PyAV 18.1 reads planes that do not exist.
    channels, name = frame.layout.nb_channels, frame.format.packed.name
    planes = frame.planes if frame.format.is_planar else frame.planes[:1]
    samples = downmix(planar(planes, name, channels, frame.samples))
    mixed = AudioFrame.from_ndarray(np.ascontiguousarray(samples[np.newaxis]), format="flt", layout="mono")
    mixed.sample_rate = frame.sample_rate
    return mixed


def decode_track(container: InputContainer, max_seconds: float, audio_track: int | None) -> Track:
    """Decode the requested audio track, or the best one that can be decoded and is not silent.

    The best one is that of FFmpeg's selection, by the container's default flag and the number of channels; then come
    the others in order. They are decoded side by side until the best one has sound, since an upload is read only once.

    Args:
        container: An open container.
        max_seconds: Longest duration.
        audio_track: Number of the track, 0-based, as in FFmpeg's `0:a:N`; None for the best one.

    Raises:
        Problem: `no_audio_stream`, `not_audio`, `audio_too_long`, or `bad_field` if the track does not exist.
    """
    streams = _best_first(container) if audio_track is None else [_requested(container, audio_track)]
    origin = None if container.start_time is None else container.start_time / _MICROSECONDS
    tracks = [Track(stream, origin, max_seconds) for stream in streams]
    by_index = {track.index: track for track in tracks}
    for packet in _packets(container, streams):
        if packet is None:
            for track in by_index.values():
                track.skip()
        elif track_of_packet := by_index.get(packet.stream_index):
            track_of_packet.feed(packet)
        if len(by_index) > 1 and tracks[0].has_sound:
            by_index = {tracks[0].index: tracks[0]}
    for track in by_index.values():
        track.finish()
    audible = [track for track in tracks if track.has_sound]
    decoded = [track for track in tracks if track.chunks]
    chosen = (audible or decoded or tracks)[0]
    if not chosen.chunks and chosen.failures:
        raise Problem("not_audio", "The audio track cannot be decoded.")
    return chosen


def too_long(max_seconds: float) -> Problem:
    """Return the problem of a recording that exceeds the limit."""
    return Problem("audio_too_long", f"The recording is longer than {max_seconds:g} s, this server's limit.")


def no_such_track(audio_track: int, count: int) -> Problem:
    """Return the problem of a request for a track that the file does not have."""
    tracks = "1 audio track, number 0" if count == 1 else f"{count} audio tracks, numbers 0 to {count - 1}"
    detail = f"There is no audio track {audio_track}: the file has {tracks}."
    return Problem("bad_field", detail, param="audio_track")


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
