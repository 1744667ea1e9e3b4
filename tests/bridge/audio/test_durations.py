"""How long a recording is: from its header, else from its size; and what a header cannot do to others."""

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.audio.recordings import SECONDS, chunk, encoded, index_first, wav
from speechbridge.admission.retry_after import Backlog
from speechbridge.audio.durations import Durations, header_seconds
from speechbridge.audio.ends import Ends
from speechbridge.audio.headers.excerpt import HEAD_BYTES, TAIL_BYTES, Excerpt

pytestmark = pytest.mark.unit

MAX_SECONDS = 4 * 3600.0
HOUR = 3600.0
MIB = 2**20


def whole(data: bytes, size: int | None = None) -> Excerpt:
    """A complete recording that begins with `data`."""
    return Excerpt(data[:HEAD_BYTES], size or len(data), data[-TAIL_BYTES:])


def beginning(data: bytes, size: int) -> Excerpt:
    """A recording of this declared size, of which the beginning has arrived."""
    return Excerpt(data[:HEAD_BYTES], size, complete=False)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(wav, id="wav"),
        pytest.param(lambda: wav(rate=44_100, before=chunk(b"JUNK", 28)), id="wav-junk"),
        pytest.param(lambda: wav(rate=44_100, before=chunk(b"bext", 602) + chunk(b"JUNK", 1001)), id="wav-broadcast"),
        pytest.param(lambda: wav(size=0), id="wav-size-0"),
        pytest.param(lambda: wav(size=0xFFFFFFFF), id="wav-from-a-pipe"),
        pytest.param(lambda: wav(size=0xFFFFFFFF, magic=b"RF64", before=chunk(b"ds64", 28)), id="rf64"),
        pytest.param(lambda: wav(byte_rate=1), id="wav-1-byte-per-second"),
        pytest.param(lambda: wav(byte_rate=0), id="wav-0-bytes-per-second"),
        pytest.param(lambda: wav() + chunk(b"LIST", 50_000), id="wav-with-tags-at-its-end"),
        pytest.param(lambda: encoded("wav", "pcm_alaw", rate=8_000), id="wav-alaw"),
        pytest.param(lambda: encoded("aiff", "pcm_s16be", rate=44_100), id="aiff"),
        pytest.param(lambda: encoded("aiff", "pcm_mulaw", rate=8_000), id="aifc"),
        pytest.param(lambda: encoded("aiff", "adpcm_ima_qt", rate=44_100), id="aifc-ima4"),
        pytest.param(lambda: encoded("au", "pcm_mulaw", rate=8_000), id="au"),
        pytest.param(lambda: encoded("au", "pcm_s16be", seekable=False), id="au-from-a-pipe"),
        pytest.param(lambda: encoded("caf", "pcm_s16le", rate=48_000), id="caf"),
        pytest.param(lambda: encoded("flac", "flac"), id="flac"),
        pytest.param(lambda: encoded("mp3", "libmp3lame", bit_rate=32_000), id="mp3-info-32k"),
        pytest.param(lambda: encoded("mp3", "libmp3lame", rate=44_100, bit_rate=320_000), id="mp3-info-320k"),
        pytest.param(lambda: encoded("mp3", "libmp3lame", bit_rate=32_000, write_xing="0"), id="mp3-constant-32k"),
        pytest.param(
            lambda: encoded("mp3", "libmp3lame", rate=8_000, write_xing="0", id3v2_version="0"), id="mp3-mpeg-2.5"
        ),
        pytest.param(lambda: encoded("mp2", "mp2", rate=44_100), id="mp2"),
        pytest.param(lambda: encoded("adts", "aac", rate=24_000, bit_rate=32_000), id="adts"),
        pytest.param(lambda: encoded("amr", "libopencore_amrnb", rate=8_000, bit_rate=12_200), id="amr-12.2"),
        pytest.param(lambda: encoded("amr", "libopencore_amrnb", rate=8_000, bit_rate=4_750), id="amr-4.75"),
        pytest.param(lambda: index_first(encoded("mp4", "aac")), id="mp4-index-first"),
        pytest.param(lambda: encoded("mp4", "aac"), id="mp4-index-last"),
        pytest.param(lambda: index_first(encoded("mov", "alac")), id="mov"),
        pytest.param(lambda: encoded("matroska", "libopus", rate=48_000), id="matroska"),
        pytest.param(
            lambda: encoded("webm", "libopus", rate=48_000, live="1", seekable=False), id="webm-as-browsers-record"
        ),
        pytest.param(lambda: encoded("ogg", "libopus", rate=48_000, bit_rate=16_000), id="ogg-opus-voice-note"),
        pytest.param(lambda: encoded("ogg", "flac"), id="ogg-flac"),
    ],
)
def test_a_complete_recording_lasts_as_long_as_its_header_tells(make: Callable[[], bytes]) -> None:
    data = make()

    duration = Durations(MAX_SECONDS).of(whole(data))

    assert duration.known
    assert duration.seconds == pytest.approx(SECONDS, rel=0.05)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(wav, id="wav"),
        pytest.param(lambda: encoded("flac", "flac"), id="flac"),
        pytest.param(lambda: encoded("mp3", "libmp3lame", bit_rate=32_000), id="mp3"),
        pytest.param(lambda: index_first(encoded("mp4", "aac")), id="mp4"),
        pytest.param(lambda: encoded("matroska", "libopus", rate=48_000), id="matroska"),
    ],
)
def test_a_recording_that_is_arriving_lasts_as_long_as_its_header_tells(make: Callable[[], bytes]) -> None:
    data = make()

    duration = Durations(MAX_SECONDS).of(beginning(data, len(data) + 500))

    assert not duration.known
    assert duration.seconds == pytest.approx(SECONDS, rel=0.02)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: encoded("flac", "flac", seekable=False), id="flac-from-a-pipe"),
        pytest.param(lambda: encoded("mp4", "aac", movflags="frag_keyframe+empty_moov"), id="mp4-fragments"),
        pytest.param(lambda: b"ID3\x04\x00\x00\x00\x7f\x7f\x7f" + bytes(5000), id="mp3-behind-a-cover-picture"),
        pytest.param(lambda: wav(rate=1), id="wav-at-1-Hz"),
        pytest.param(lambda: wav()[:30], id="wav-cut-in-its-header"),
        pytest.param(lambda: b"wvPK" + bytes(5000), id="container-without-a-reader"),
        pytest.param(lambda: b"no recording at all", id="text"),
        pytest.param(lambda: b"", id="nothing"),
    ],
)
def test_a_header_may_tell_nothing(make: Callable[[], bytes]) -> None:
    data = make()

    assert header_seconds(Excerpt(data[:HEAD_BYTES], max(1, len(data)))) is None
    assert not Durations(MAX_SECONDS).of(whole(data, max(1, len(data)))).known


def test_ogg_tells_nothing_before_its_last_page_has_arrived() -> None:
    data = encoded("ogg", "libopus", rate=48_000)

    assert header_seconds(beginning(data, len(data))) is None


def test_a_rate_is_learned_from_transcripts() -> None:
    durations, voice_notes = Durations(MAX_SECONDS), whole(b"OggS\x00\x02", 2_000 * 30)
    before = durations.of(beginning(b"OggS\x00\x02", 2_000 * 3600)).seconds

    for _ in range(100):
        durations.learn(voice_notes, 30.0)

    assert before < 0.5 * HOUR
    assert durations.of(beginning(b"OggS\x00\x02", 2_000 * 3600)).seconds == pytest.approx(HOUR, rel=0.05)


def test_each_container_has_a_rate_of_its_own() -> None:
    durations = Durations(MAX_SECONDS)
    before = durations.of(whole(b"wvPK", MIB)).seconds

    for _ in range(100):
        durations.learn(whole(b"OggS\x00\x02", 60_000), 30.0)

    assert durations.of(whole(b"wvPK", MIB)).seconds == before


def test_nothing_is_learned_from_a_recording_whose_size_is_unknown() -> None:
    durations = Durations(MAX_SECONDS)
    before = durations.of(whole(b"wvPK", MIB)).seconds

    durations.learn(beginning(b"wvPK", 100), 30.0)

    assert durations.of(whole(b"wvPK", MIB)).seconds == before


@given(st.integers(1, 2**40), st.floats(0, 1e9))
def test_one_transcript_moves_a_rate_by_little(size: int, seconds: float) -> None:
    durations = Durations(MAX_SECONDS)
    for _ in range(100):
        durations.learn(whole(b"wvPK", 16_000 * 30), 30.0)
    before = durations.of(whole(b"wvPK", MIB)).seconds

    durations.learn(whole(b"wvPK", size), seconds)

    assert before / 3 < durations.of(whole(b"wvPK", MIB)).seconds < before * 3


CRAFTED = [
    pytest.param(wav(seconds=0.1, size=0x7FFFFFFF), id="wav"),
    pytest.param(wav(seconds=0.1, rate=1_000, size=0x7FFFFFFF), id="wav-at-1-kHz"),
    pytest.param(b"fLaC\x00\x00\x00\x22" + bytes(10) + b"\x00\x3e\x80\xff" + b"\xff" * 20, id="flac"),
    pytest.param(
        b"\x00\x00\x00\x08moov\x00\x00\x00\x6cmvhd" + bytes(12) + b"\x00\x00\x00\x01\x7f" + bytes(9), id="mp4"
    ),
]


@pytest.mark.parametrize("head", CRAFTED)
def test_a_crafted_header_counts_for_no_more_than_its_bytes_can_hold(head: bytes) -> None:
    durations, backlog = Durations(MAX_SECONDS), Backlog()

    with backlog.entry(durations.of(whole(head, 64 * 1024)).seconds):
        assert backlog.waiting < 120
        assert backlog.retry_after(0, 1) < 30


@pytest.mark.parametrize("head", CRAFTED)
def test_no_recording_counts_for_more_than_the_maximum(head: bytes) -> None:
    assert Durations(MAX_SECONDS).of(beginning(head, 2**40)).seconds <= MAX_SECONDS


MAGIC = st.sampled_from(
    [
        *(
            b"RIFF\x00\x00\x00\x00WAVEfmt \x10\x00\x00\x00",
            b"RIFF\xff\xff\xff\xffWAVE",
            b"FORM\x00\x00\x00\x00AIFFCOMM",
        ),
        *(
            b".snd\x00\x00\x00\x18",
            b"caff\x00\x01\x00\x00desc",
            b"fLaC\x00\x00\x00\x22",
            b"ID3\x04\x00\x00\x00\x00\x00\x00",
        ),
        *(
            b"\xff\xfb\x90\x64",
            b"\xff\xf1\x50\x80",
            b"#!AMR\n",
            b"#!AMR-WB\n",
            b"\x00\x00\x00\x08ftyp\x00\x00\x00\x08moov",
        ),
        *(
            b"\x1aE\xdf\xa3\x80\x18\x53\x80\x67\xff\x15\x49\xa9\x66\xff",
            b"OggS\x00\x02" + bytes(20) + b"\x00OpusHead",
            b"",
        ),
    ]
)


@settings(max_examples=500)
@given(MAGIC, st.binary(max_size=300), st.binary(max_size=300), st.integers(1, 2**40), st.booleans())
def test_any_bytes_have_a_duration_within_bounds(
    magic: bytes,
    rest: bytes,
    tail: bytes,
    size: int,
    complete: bool,  # noqa: FBT001 - hypothesis
) -> None:
    excerpt = Excerpt(magic + rest, size, tail if complete else b"", complete=complete)

    duration = Durations(MAX_SECONDS).of(excerpt)

    assert 0 < duration.seconds <= min(MAX_SECONDS, size)


FORMATS = [
    *(("wav", "pcm_s16le", 16_000), ("aiff", "pcm_s16be", 16_000), ("au", "pcm_s16be", 16_000)),
    *(("caf", "pcm_s16le", 16_000), ("flac", "flac", 16_000), ("mp3", "libmp3lame", 16_000)),
    *(("adts", "aac", 16_000), ("mp4", "aac", 16_000), ("matroska", "libopus", 48_000), ("ogg", "libopus", 48_000)),
]
VALID = st.sampled_from(FORMATS).map(lambda form: encoded(form[0], form[1], rate=form[2], seconds=1.0))


@settings(max_examples=500)
@given(VALID, st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=6))
def test_a_damaged_header_has_a_duration_within_bounds(data: bytes, changes: list[tuple[int, int]]) -> None:
    damaged = bytearray(data)
    for at, value in changes:
        damaged[at] = value

    duration = Durations(MAX_SECONDS).of(whole(bytes(damaged)))

    assert 0 < duration.seconds <= len(data) / 600


@given(VALID, st.lists(st.integers(0, 40_000), max_size=20))
def test_the_ends_of_a_recording_are_the_same_however_it_arrives(data: bytes, cuts: list[int]) -> None:
    at = sorted({0, *(cut for cut in cuts if cut < len(data)), len(data)})
    ends = Ends()

    for start, end in pairwise(at):
        ends.add([data[start:end]])

    assert header_seconds(Excerpt(ends.head, len(data), ends.tail)) == header_seconds(whole(data))


def test_the_end_of_a_long_recording_is_kept() -> None:
    data = encoded("ogg", "libopus", rate=48_000, bit_rate=64_000)
    ends = Ends()

    for start in range(0, len(data), 1000):
        ends.add([data[start : start + 1000]])

    assert (ends.head, ends.tail) == (data[:HEAD_BYTES], data[-TAIL_BYTES:])


def test_the_end_of_a_recording_that_tells_nothing_there_is_not_kept() -> None:
    ends = Ends()

    ends.add([wav()])

    assert ends.tail == b""
