"""A recording is decoded while it arrives, in memory that does not depend on its length."""

from __future__ import annotations

import io
import tracemalloc
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from speechwhisper.audio.decode import Recording, open_recording
from speechwhisper.errors import Problem
from speechwhisper.intake.pipe import PipeBrokenError
from whisper import media

if TYPE_CHECKING:
    from collections.abc import Iterable

    from speechwhisper.audio.resampling import Chunk

pytestmark = pytest.mark.unit

HOUR = 3600.0
SECOND = media.RATE


class Upload:
    """Bytes that come in pieces of 4 KiB; counts them, and may break off after some."""

    def __init__(self, data: bytes, breaks_after: float = float("inf")) -> None:
        self._data = io.BytesIO(data)
        self._breaks_after = breaks_after

    @property
    def taken(self) -> int:
        return self._data.tell()

    def read(self, size: int = -1) -> bytes:
        if self.taken >= self._breaks_after:
            raise PipeBrokenError
        return self._data.read(min(size, 4096) if size >= 0 else 4096)


def recording(
    data: bytes | Upload, *, audio_track: int | None = None, separate: bool = False, max_seconds: float = HOUR
) -> Recording:
    source = data if isinstance(data, Upload) else io.BytesIO(data)
    return open_recording(source, max_seconds, audio_track=audio_track, separate_channels=separate)


def joined(chunks: Iterable[Chunk]) -> Chunk:
    return np.concatenate(list(chunks), axis=1)


def loud(samples: Chunk) -> list[tuple[float, float]]:
    """Begin and end of the sound in each channel, in tenths of a second."""
    found = [np.flatnonzero(abs(channel.astype(int)) > 1500) for channel in samples]
    return [(round(at[0] / SECOND, 1), round(at[-1] / SECOND, 1)) if len(at) else (0.0, 0.0) for at in found]


@pytest.mark.parametrize(
    ("container", "codec"),
    [("wav", "pcm_s16le"), ("flac", "flac"), ("mp3", "mp3"), ("ogg", "libopus"), ("webm", "libopus"), ("adts", "aac")],
)
def test_the_first_second_is_decoded_before_the_upload_ends(container: str, codec: str) -> None:
    data = media.encode(media.noise(60), container, codec)
    upload = Upload(data)
    chunks = recording(upload).chunks()

    seconds = 0.0
    while seconds < 1:
        seconds += next(chunks).shape[1] / SECOND

    assert upload.taken < len(data) / 2


def test_a_file_with_several_tracks_is_decoded_before_the_upload_ends_once_the_best_one_has_sound() -> None:
    data = media.muxed("matroska", [(0.0, media.noise(60))], [(0.0, media.noise(60))])
    upload = Upload(data)

    next(recording(upload).chunks())

    assert upload.taken < len(data) / 2


@pytest.mark.parametrize(("container", "codec"), [("flac", "flac"), ("ogg", "libopus"), ("mp3", "mp3"), ("mp4", "aac")])
def test_memory_does_not_depend_on_the_length(container: str, codec: str) -> None:
    data = media.encode(media.tone(60), container, codec)

    assert _peak_bytes(data) < 500_000  # the samples alone have 1.9 million


def test_memory_does_not_depend_on_the_length_while_the_best_track_is_silent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("speechwhisper.audio.selection._HELD_BYTES", 100_000)
    silent, tone = media.silence(60), media.tone(60)
    data = media.muxed("matroska", [(0.0, silent)], [(0.0, tone)], [(0.0, tone)], codec="flac")

    assert _peak_bytes(data) < 700_000  # the samples of each track have 1.9 million


def _peak_bytes(data: bytes) -> int:
    source = Upload(data)
    tracemalloc.start()
    try:
        for _ in recording(source).chunks():
            pass
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_chunks_are_never_longer_than_a_second_and_a_gap_of_an_hour_needs_no_memory() -> None:
    data = media.muxed(
        "matroska", [(0.0, media.tone(2))], [(0.0, media.silence(1)), (3000.0, media.tone(2))], default=1
    )

    chunks = recording(data).chunks()
    tracemalloc.start()
    try:
        lengths = [chunk.shape[1] for chunk in chunks]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert max(lengths) <= SECOND
    assert sum(lengths) / SECOND == pytest.approx(3002, abs=0.2)
    assert peak < 3_000_000


def test_short_frames_are_joined_to_a_quarter_of_a_second() -> None:
    data = media.encode(media.noise(10), "ogg", "libopus", options={"page_duration": "20000"})

    *lengths, _ = [chunk.shape[1] for chunk in recording(data).chunks()]

    assert min(lengths) >= SECOND / 4
    assert max(lengths) <= SECOND


def test_a_frame_of_many_seconds_comes_in_chunks_of_one() -> None:
    tone = media.tone(7.5)

    chunks = list(recording(media.encode_channels([tone], "matroska", "pcm_s16le")).chunks())

    assert max(chunk.shape[1] for chunk in chunks) == SECOND
    np.testing.assert_array_equal(joined(chunks)[0], tone)


def test_what_is_known_of_the_recording_grows_with_the_chunks() -> None:
    heard = recording(media.muxed("matroska", [(0.0, media.tone(2)), (25.0, media.tone(2))]))
    seen = [(heard.duration, len(heard.gaps), chunk.shape[1]) for chunk in heard.chunks()]

    assert (seen[0][1], seen[-1][1]) == (0, 1)
    assert all(later[0] - earlier[0] == pytest.approx(later[2] / SECOND) for earlier, later in pairwise(seen))
    assert heard.duration == pytest.approx(27, abs=0.2)
    assert not heard.damaged


TWENTY = media.tone(20)
DECLARING = [("flac", "flac"), ("matroska", "libopus"), ("aiff", "pcm_s16be"), ("au", "pcm_s16be"), ("tta", "tta")]


@pytest.mark.parametrize(("container", "codec"), [*DECLARING, ("wv", "wavpack"), ("mp4", "aac"), ("ogg", "libopus")])
def test_a_complete_recording_lacks_nothing_and_is_not_damaged(container: str, codec: str) -> None:
    heard = recording(media.encode(TWENTY, container, codec))

    assert joined(heard.chunks()).shape[1] / SECOND == pytest.approx(20, abs=0.2)
    assert (heard.missing, heard.damaged) == (0, False)


@pytest.mark.parametrize(("container", "codec"), DECLARING)
def test_a_recording_that_ends_early_tells_how_much_is_missing(container: str, codec: str) -> None:
    data = media.encode(TWENTY, container, codec)
    heard = recording(data[: len(data) // 2])

    seconds = joined(heard.chunks()).shape[1] / SECOND

    assert seconds == pytest.approx(10, abs=0.8)
    assert heard.missing == pytest.approx(20 - seconds, abs=0.2)


def test_a_video_that_is_longer_than_its_sound_lacks_nothing() -> None:
    heard = recording(media.muxed("matroska", [(0.0, media.tone(2))], video=8))

    list(heard.chunks())

    assert heard.missing == 0


def test_a_duration_that_stands_for_an_unknown_one_is_ignored() -> None:
    data = bytearray(media.encode(TWENTY, "aiff", "pcm_s16be"))
    at = data.index(b"COMM") + 10
    data[at : at + 4] = (0x7FFFFFFF).to_bytes(4)
    heard = recording(bytes(data))

    list(heard.chunks())

    assert heard.missing == 0


def test_a_limit_that_lies_in_a_gap_is_noticed_before_the_gap_is_filled() -> None:
    heard = recording(media.muxed("matroska", [(0.0, media.tone(2)), (50.0, media.tone(20))]), max_seconds=51)

    with pytest.raises(Problem) as refused:
        list(heard.chunks())

    assert refused.value.code == "audio_too_long"
    assert heard.duration < 52


@pytest.mark.parametrize("tracks", [1, 2])
@pytest.mark.parametrize("separate", [False, True])
def test_a_broken_pipe_ends_the_recording(tracks: int, *, separate: bool) -> None:
    data = media.muxed("matroska", *[[(0.0, media.noise(120))]] * tracks)
    heard = recording(Upload(data, breaks_after=len(data) / 2), separate=separate)

    with pytest.raises(PipeBrokenError):
        list(heard.chunks())

    assert heard.duration > 30


def test_closing_the_chunks_closes_the_temporary_file() -> None:
    def open_files() -> int:
        return len(list(Path("/dev/fd").iterdir()))

    before = open_files()
    chunks = recording(media.encode(media.noise(60), "mp4", "aac")).chunks()
    next(chunks)
    assert open_files() == before + 1

    chunks.close()

    assert open_files() == before


def test_a_track_that_was_held_is_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("speechwhisper.audio.selection._HELD_BYTES", 100_000)
    sound = [(0.0, media.silence(5)), (5.0, media.tone(10)), (15.0, media.silence(5))]
    data = media.muxed("matroska", [(0.0, media.silence(20))], sound, [(0.0, media.tone(20, 880))])

    requested = joined(recording(data, audio_track=1).chunks())
    chosen = joined(recording(data).chunks())

    assert chosen.shape == requested.shape
    assert np.abs(chosen.astype(int) - requested).max() <= 32  # what is fainter than -60 dBFS is silence


def test_the_best_track_is_complete_though_its_sound_begins_late() -> None:
    data = media.muxed(
        "matroska", [(0.0, media.silence(5)), (5.0, media.tone(3))], [(0.0, media.tone(8, 880))], default=0
    )

    assert loud(joined(recording(data).chunks())) == [(pytest.approx(5, abs=0.2), pytest.approx(8, abs=0.2))]


def stereo(*channels: media.Pcm) -> bytes:
    return media.channels(list(channels))


def test_channels_are_mixed_unless_they_are_to_be_separate() -> None:
    data = stereo(media.tone(2), media.join([media.silence(2), media.tone(1)], 0.0)[: 2 * SECOND])

    assert joined(recording(data).chunks()).shape == (1, 2 * SECOND)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_each_channel_is_kept(count: int, rate: int) -> None:
    ones = [media.tone(2) * (number % 2 == 0) for number in range(count)]
    data = media.channels([np.roll(one, number * 100) for number, one in enumerate(ones)], rate)

    kept = joined(recording(data, separate=True).chunks())

    alone = [joined(recording(media.channels([one], rate)).chunks())[0] for one in ones]
    assert kept.shape == (count, len(alone[0]))
    assert [bool(channel.any()) for channel in kept] == [number % 2 == 0 for number in range(count)]


@pytest.mark.parametrize(("container", "codec"), [("flac", "flac"), ("ogg", "libopus"), ("mp4", "aac")])
def test_two_voices_on_two_channels_keep_their_times(container: str, codec: str) -> None:
    first = np.concatenate([media.tone(2), media.silence(4)])
    second = np.concatenate([media.silence(3), media.tone(2, 660), media.silence(1)])
    data = media.encode_channels([first, second], container, codec)

    assert loud(joined(recording(data, separate=True).chunks())) == [
        (pytest.approx(0, abs=0.2), pytest.approx(2, abs=0.2)),
        (pytest.approx(3, abs=0.2), pytest.approx(5, abs=0.2)),
    ]


def test_a_gap_is_silent_on_each_channel() -> None:
    data = media.muxed("matroska", [(0.0, media.tone(2)), (25.0, media.tone(2))], layout="stereo", codec="libopus")

    kept = joined(recording(data, separate=True).chunks())

    assert kept.shape[0] == 2
    assert kept.shape[1] / SECOND == pytest.approx(27, abs=0.2)
    assert not kept[:, 5 * SECOND : 20 * SECOND].any()


def test_where_the_number_of_channels_changes_nothing_is_lost() -> None:
    mono, both = (media.encode_channels([media.tone(3)] * count, "mp3", "mp3", rate=48_000) for count in (1, 2))

    kept = joined(recording(both + mono, separate=True).chunks())

    assert loud(kept) == [
        (pytest.approx(0, abs=0.2), pytest.approx(6, abs=0.3)),
        (pytest.approx(0, abs=0.2), pytest.approx(3, abs=0.3)),
    ]


def test_more_channels_than_can_be_separate_are_refused() -> None:
    data = media.channels([media.tone(1)] * 9)

    with pytest.raises(Problem, match="has 9 channels; channels=separate supports at most 8") as refused:
        list(recording(data, separate=True).chunks())
    assert (refused.value.code, refused.value.param) == ("bad_field", "channels")
    assert joined(recording(data).chunks()).shape[0] == 1


def test_raw_audio_has_one_channel() -> None:
    samples = media.tone(2)

    chunks = list(open_recording(io.BytesIO(samples.tobytes()), HOUR, raw=True, separate_channels=True).chunks())

    assert max(chunk.shape[1] for chunk in chunks) <= SECOND
    np.testing.assert_array_equal(joined(chunks), samples[np.newaxis])
