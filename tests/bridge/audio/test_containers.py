"""Containers and tracks, from the bytes of a file."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.running import wav
from speechbridge.audio.containers import SIGNATURES, Tracks, container_of
from speechbridge.audio.port import AudioBytes, is_recognised

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("head", "container"),
    [
        (wav(0.1)[:64], "wav"),
        (b"RF64\xff\xff\xff\xffWAVEds64", "wav"),
        (b"RIFF\x00\x00\x00\x00AVI LIST", None),
        (b"ID3\x04\x00\x00\x00\x00\x00\x00", "mp3"),
        (b"\xff\xfb\x90\x64\x00\x00\x00\x00", "mp3"),
        (b"\xff\xf1\x50\x80\x00\x00\x00\x00", "adts"),
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


@pytest.mark.parametrize("signature", SIGNATURES)
def test_no_signature_hides_another(signature: bytes) -> None:
    assert container_of(signature + bytes(8)) == SIGNATURES[signature]


@given(st.lists(st.integers(0, 60), max_size=6), st.booleans())
def test_tracks_are_found_however_the_file_is_split(cuts: list[int], sound: bool) -> None:  # noqa: FBT001 - hypothesis
    file = b"..hdlr........vide.." + b"..hdlr........soun.." * sound + b"." * 20
    at = [0, *sorted(cuts), len(file)]
    tracks = Tracks()

    for start, end in pairwise(at):
        tracks.feed(file[start:end])

    assert tracks.video_only is not sound
