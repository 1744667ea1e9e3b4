from __future__ import annotations

import io
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import pytest
from faster_whisper.audio import decode_audio

from speechwhisper.audio.containers import HEAD_BYTES, needs_seeking
from speechwhisper.audio.decode import decode, decode_raw
from speechwhisper.errors import Problem
from whisper import media

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.unit

HOUR = 3600.0


@contextmanager
def refused(code: str) -> Iterator[pytest.ExceptionInfo[Problem]]:
    with pytest.raises(Problem) as caught:
        yield caught
    assert caught.value.code == code


class Stream:
    """Bytes that come in small pieces and cannot be sought, as an upload's do."""

    def __init__(self, data: bytes, piece: int = 1000) -> None:
        self._data = io.BytesIO(data)
        self._piece = piece
        self.taken = 0

    def read(self, size: int = -1) -> bytes:
        chunk = self._data.read(min(size, self._piece) if size >= 0 else self._piece)
        self.taken += len(chunk)
        return chunk


@pytest.mark.parametrize(
    ("container", "codec"),
    [
        ("wav", "pcm_s16le"),
        ("flac", "flac"),
        ("mp3", "mp3"),
        ("ogg", "libopus"),
        ("webm", "libopus"),
        ("matroska", "flac"),
        ("mp4", "aac"),
        ("adts", "aac"),
        ("mpegts", "aac"),
        ("aiff", "pcm_s16be"),
        ("caf", "pcm_s16le"),
        ("avi", "mp3"),
        ("au", "pcm_s16be"),
        ("wtv", "mp2"),
    ],
)
def test_a_stream_decodes_to_what_faster_whisper_hears_in_the_file(container: str, codec: str) -> None:
    data = media.encode(media.tone(5), container, codec)

    audio = decode(Stream(data), HOUR)

    expected = decode_audio(io.BytesIO(data))
    assert audio.samples.dtype == np.float32
    # An mp3 tells how much of its last frame is padding only to those who can look at its end.
    common = min(len(audio.samples), len(expected)) - media.RATE // 10
    np.testing.assert_allclose(audio.samples[:common], expected[:common], atol=2e-4)
    assert abs(len(audio.samples) - len(expected)) < media.RATE / 10


def test_a_long_phone_recording_with_its_index_last_is_decoded_whole() -> None:
    data = media.mp4_with_index_last(media.noise(120))
    assert len(data) > 4 * HEAD_BYTES

    assert decode(Stream(data, 50_000), HOUR).duration == pytest.approx(120, abs=0.2)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (media.encode(media.tone(1), "mp4", "aac"), True),
        (media.encode(media.tone(1), "mp4", "aac", options={"movflags": "frag_keyframe+empty_moov"}), False),
        (media.encode(media.tone(1), "caf", "pcm_s16le"), True),
        (media.encode(media.tone(1), "avi", "mp3"), True),
        (media.encode(media.tone(1), "wtv", "mp2"), True),
        (media.encode(media.tone(1)), False),
        (media.encode(media.tone(1), "ogg", "libopus"), False),
        (b"\x00\x00\x00\x01mdat" + (2**33).to_bytes(8), True),
        (b"\x00\x00\x00\x08free\x00\x00\x00\x10moov", False),
        (b"\x00\x00\x00\x00free", True),
        (b"", False),
        (b"RIFF", False),
    ],
)
def test_only_files_read_out_of_order_are_spooled(data: bytes, *, expected: bool) -> None:
    assert needs_seeking(data[:HEAD_BYTES]) is expected


def test_raw_samples_are_taken_as_they_are() -> None:
    samples = media.tone(1)

    audio = decode_raw(Stream(samples.tobytes() + b"\x01", piece=999), HOUR)

    np.testing.assert_array_equal(audio.samples, samples.astype(np.float32) / 32768.0)


def test_stereo_at_another_rate_becomes_mono_at_16_khz() -> None:
    assert decode(Stream(media.encode(media.tone(2), "flac", "flac", rate=44_100)), HOUR).duration == pytest.approx(
        2, abs=0.05
    )


@pytest.mark.parametrize(
    "data",
    [
        media.text(),
        b"RIFF",
        b"\x00" * 5000,
        b"#EXTM3U\n#EXTINF:5,\nfile:///etc/passwd\n",
        b"ffconcat version 1.0\nfile /etc/passwd\n",
        b"\x89PNG\r\n\x1a\n" + b"\x00" * 100,
        np.random.default_rng(3).bytes(20_000),
    ],
)
def test_what_is_not_audio_is_refused(data: bytes) -> None:
    with refused("not_audio"):
        decode(Stream(data), HOUR)


def test_an_empty_file_is_refused() -> None:
    with refused("empty_file"):
        decode(Stream(b""), HOUR)


def test_audio_of_no_length_is_refused() -> None:
    with refused("empty_file"):
        decode(Stream(media.encode(media.silence(0))), HOUR)


def test_a_single_stray_byte_is_no_raw_sample() -> None:
    with refused("empty_file"):
        decode_raw(Stream(b"\x01"), HOUR)


def test_a_video_without_sound_is_refused() -> None:
    with refused("no_audio_stream"):
        decode(Stream(media.video_without_sound()), HOUR)


def test_a_truncated_mp3_gives_what_is_there() -> None:
    data = media.encode(media.tone(10), "mp3", "mp3")

    assert decode(Stream(data[: len(data) // 2]), HOUR).duration == pytest.approx(5, abs=0.3)


def test_damage_in_the_middle_keeps_what_surrounds_it() -> None:
    data = bytearray(media.encode(media.tone(10), "ogg", "libopus"))
    middle = len(data) // 2
    data[middle : middle + 500] = bytes(500)

    assert decode(Stream(bytes(data)), HOUR).duration > 6


def test_too_long_is_refused_before_the_end_is_read() -> None:
    data = media.encode(media.tone(60))
    source = Stream(data)

    with refused("audio_too_long"):
        decode(source, 5.0)

    assert source.taken < len(data) / 2


def test_raw_too_long_is_refused_before_the_end_is_read() -> None:
    source = Stream(media.tone(60).tobytes())

    with refused("audio_too_long"):
        decode_raw(source, 5.0)

    assert source.taken < 6 * 2 * media.RATE


@pytest.mark.parametrize("container", ["mp4", "ogg"])
def test_decoding_ends_when_the_client_has_disconnected(container: str) -> None:
    class Left(Exception):  # noqa: N818 - not an error
        """The client has disconnected."""

    class Disconnecting(Stream):
        """A client that leaves some reads after its upload is complete, or in the middle of it."""

        reads = 0

        def read(self, size: int = -1) -> bytes:
            chunk = super().read(size)
            self.reads += not chunk
            if self.reads > 5 or (container == "ogg" and self.taken > 100_000):
                raise Left
            return chunk

    data = media.encode(media.noise(120), container, "aac" if container == "mp4" else "libopus")

    with pytest.raises(Left):
        decode(Disconnecting(data), HOUR)
