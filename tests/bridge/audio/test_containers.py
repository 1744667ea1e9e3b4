"""Containers, durations and tracks, from the bytes of a file."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.running import wav
from speechbridge.audio.containers import Tracks, container_of, estimated_seconds
from speechbridge.audio.port import AudioBytes, estimated_duration, is_recognised

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("head", "container"),
    [
        (wav(0.1)[:64], "wav"),
        (b"RF64\xff\xff\xff\xffWAVEds64", "wav"),
        (b"RIFF\x00\x00\x00\x00AVI LIST", None),
        (b"ID3\x04\x00\x00\x00\x00\x00\x00", "mp3"),
        (b"\xff\xfb\x90\x64\x00\x00\x00\x00", "mp3"),
        (b"\xff\xf1\x50\x80\x00\x00\x00\x00", "mp3"),
        (b"OggS\x00\x02", "ogg"),
        (b"fLaC\x00\x00\x00\x22", "flac"),
        (b"\x1aE\xdf\xa3\x9fB\x86\x81", "matroska"),
        (b"\x00\x00\x00\x20ftypisom\x00\x00\x02\x00", "mp4"),
        (b"\x00\x00\x00\x1cftypM4A \x00\x00\x00\x00", "mp4"),
        (b"#!AMR\n", "amr"),
        (b"FORM\x00\x00\x00\x00AIFF", "aiff"),
        (b"This is text, whatever it is called.", None),
        (b"<!doctype html>", None),
        (b"\x89PNG\r\n\x1a\n", None),
        (b"%PDF-1.7", None),
        (b"\xff\xfe<\x00h\x00t\x00", None),
        (b"\xef\xbb\xbftext", None),
        (b"", None),
        (b"\xff", None),
    ],
)
def test_a_container_is_recognised_by_its_first_bytes(head: bytes, container: str | None) -> None:
    assert container_of(head) == container
    assert is_recognised(AudioBytes(head, "a.wav", "audio/wav")) == (container is not None)


@pytest.mark.parametrize("rate", [8_000, 16_000, 48_000])
def test_the_duration_of_a_wav_is_exact(rate: int) -> None:
    data = wav(30.0, rate)

    assert estimated_seconds(data[:64], len(data)) == pytest.approx(30.0, rel=0.01)


def test_the_duration_of_an_upload_is_estimated_from_its_declared_size() -> None:
    class Arriving(AudioBytes):
        @property
        def size(self) -> int | None:  # type: ignore[override]
            return None

    audio = Arriving(wav(1.0), "a.wav", "audio/wav")

    assert estimated_duration(audio, len(wav(60.0))) == pytest.approx(60.0, rel=0.01)
    assert estimated_duration(audio, None) == 0


@given(st.binary(max_size=64), st.integers(0, 2**40))
def test_any_bytes_have_an_estimate(head: bytes, size: int) -> None:
    assert 0 <= estimated_seconds(head, size) <= size


@given(st.lists(st.integers(0, 60), max_size=6), st.booleans())
def test_tracks_are_found_however_the_file_is_split(cuts: list[int], sound: bool) -> None:  # noqa: FBT001 - hypothesis
    file = b"..hdlr........vide.." + b"..hdlr........soun.." * sound + b"." * 20
    at = [0, *sorted(cuts), len(file)]
    tracks = Tracks()

    for start, end in pairwise(at):
        tracks.feed(file[start:end])

    assert tracks.video_only is not sound
