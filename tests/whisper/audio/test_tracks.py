"""Media files whose sound is not simply one track from beginning to end."""

from __future__ import annotations

import io

import numpy as np
import pytest

from speechwhisper.audio.decode import Audio, decode, decode_raw
from speechwhisper.errors import Problem
from whisper import media
from whisper.conftest import full_disk

pytestmark = pytest.mark.unit

HOUR = 3600.0
CLOCKED = ["matroska", "mp4", "mpegts"]


def heard(data: bytes, audio_track: int | None = None) -> Audio:
    return decode(io.BytesIO(data), HOUR, audio_track)


def sounding(audio: Audio) -> list[tuple[float, float]]:
    """Where there is sound, in seconds, in steps of a tenth; pauses up to 0.3 s are ignored."""
    step = media.RATE // 10
    loud = [abs(audio.samples[at : at + step]).max() > 0.05 for at in range(0, len(audio.samples), step)]
    spans: list[tuple[float, float]] = []
    for number, is_loud in enumerate(loud):
        if is_loud and spans and number / 10 - spans[-1][1] <= 0.3:
            spans[-1] = (spans[-1][0], (number + 1) / 10)
        elif is_loud:
            spans.append((number / 10, (number + 1) / 10))
    return spans


def about(*spans: tuple[float, float]) -> list[object]:
    return [(pytest.approx(start, abs=0.21), pytest.approx(end, abs=0.21)) for start, end in spans]


@pytest.mark.parametrize("container", CLOCKED)
def test_sound_that_starts_later_than_the_picture_keeps_its_time(container: str) -> None:
    audio = heard(media.muxed(container, [(4.9, media.tone(2))], video=8))

    assert sounding(audio) == about((4.9, 6.9))


@pytest.mark.parametrize("container", CLOCKED)
def test_what_follows_a_gap_keeps_its_time(container: str) -> None:
    audio = heard(media.muxed(container, [(0.0, media.tone(2)), (25.0, media.tone(2))]))

    assert sounding(audio) == about((0, 2), (25, 27))
    assert [(round(gap.start), round(gap.end), gap.damaged) for gap in audio.gaps] == [(2, 25, False)]
    assert not audio.damaged


def test_pauses_in_transmission_keep_their_length() -> None:
    pieces = [(0.4 * number, media.tone(0.064)) for number in range(50)]

    assert heard(media.muxed("matroska", pieces)).duration == pytest.approx(19.7, abs=0.3)


def test_what_follows_damage_keeps_its_time() -> None:
    data = bytearray(media.muxed("matroska", [(0.0, media.noise(20))]))
    middle = len(data) // 2
    data[middle : middle + len(data) // 10] = bytes(len(data) // 10)

    audio = heard(bytes(data))

    assert audio.duration == pytest.approx(20, abs=0.3)
    assert audio.damaged
    assert 1 < sum(gap.seconds for gap in audio.gaps if gap.damaged) < 6  # what FFmpeg skips: a whole cluster


def test_damage_in_an_ogg_file_costs_no_more_than_the_damaged_pages() -> None:
    data = bytearray(media.encode(media.noise(60), "ogg", "libopus"))
    third = len(data) // 3
    data[third : third + len(data) // 10] = bytes(len(data) // 10)

    audio = heard(bytes(data))

    assert audio.duration == pytest.approx(60, abs=0.5)
    # FFmpeg resumes at the next intact page and does not report the damage, so only the gap is known.
    assert sum(gap.seconds for gap in audio.gaps) == pytest.approx(7, abs=2)
    assert float(np.mean(abs(audio.samples) > 0.01)) > 0.7


@pytest.mark.parametrize(
    ("container", "codec"),
    [("ogg", "libopus"), ("mp3", "mp3"), ("adts", "aac"), ("mpegts", "aac")],
)
def test_concatenated_files_are_heard_to_the_end(container: str, codec: str) -> None:
    first = media.encode(media.tone(5), container, codec)

    audio = heard(first + media.encode(media.tone(3, 660), container, codec))

    assert audio.duration == pytest.approx(8, abs=0.3)


def test_a_jump_of_the_timestamps_beyond_the_limit_is_no_gap() -> None:
    data = media.muxed("matroska", [(0.0, media.tone(2)), (9000.0, media.tone(2))])

    assert heard(data).duration == pytest.approx(4, abs=0.3)


def test_a_gap_counts_towards_the_limit() -> None:
    data = media.muxed("matroska", [(0.0, media.tone(2)), (50.0, media.tone(20))])

    with pytest.raises(Problem) as refused:
        decode(io.BytesIO(data), 60.0)
    assert refused.value.code == "audio_too_long"


@pytest.mark.parametrize("container", ["matroska", "mp4"])
def test_a_silent_track_gives_way_to_one_with_sound(container: str) -> None:
    data = media.muxed(container, [(0.0, media.silence(3))], [(0.0, media.tone(3))])

    assert sounding(heard(data)) == about((0, 3))


def test_a_long_track_that_may_be_chosen_is_busy_without_room_for_it() -> None:
    seconds = 140  # of samples: more than is held in memory
    file = media.muxed("matroska", [(0.0, media.silence(seconds))], [(0.0, media.tone(seconds))], codec="pcm_s16le")

    with full_disk(), pytest.raises(Problem) as raised:
        decode(io.BytesIO(file), 600)

    assert raised.value.code == "no_space"


def test_the_default_track_is_preferred() -> None:
    data = media.muxed("matroska", [(0.0, media.tone(3))], [(0.0, media.tone(1))], default=1)

    assert heard(data).duration == pytest.approx(1, abs=0.2)


def test_of_silent_tracks_the_best_one_is_heard() -> None:
    data = media.muxed("matroska", [(0.0, media.silence(3))], [(0.0, media.silence(1))])

    assert heard(data).duration == pytest.approx(3, abs=0.2)


@pytest.mark.parametrize("container", CLOCKED)
@pytest.mark.parametrize("audio_track", [0, 1, 2])
def test_the_requested_track_is_heard_even_if_it_is_not_the_default_or_silent(container: str, audio_track: int) -> None:
    tracks = [[(0.0, media.tone(1))], [(0.0, media.tone(3))], [(0.0, media.silence(5))]]

    audio = heard(media.muxed(container, *tracks, video=6, default=1), audio_track)

    assert audio.duration == pytest.approx((1, 3, 5)[audio_track], abs=0.2)


@pytest.mark.parametrize(("tracks", "said"), [(1, "1 audio track, number 0"), (2, "2 audio tracks, numbers 0 to 1")])
def test_a_track_that_does_not_exist_is_refused_with_their_number(tracks: int, said: str) -> None:
    data = media.muxed("matroska", *[[(0.0, media.tone(1))]] * tracks)

    with pytest.raises(Problem, match=f"no audio track 2: the file has {said}") as refused:
        heard(data, 2)
    assert (refused.value.code, refused.value.param) == ("bad_field", "audio_track")


@pytest.mark.parametrize(("audio_track", "seconds"), [(None, 1), (1, 1)])
def test_a_track_with_an_unknown_codec_is_passed_over(audio_track: int | None, seconds: float) -> None:
    data = _with_unknown_first_codec(media.muxed("matroska", [(0.0, media.tone(3))], [(0.0, media.tone(1))]))

    assert heard(data, audio_track).duration == pytest.approx(seconds, abs=0.2)


def test_a_requested_track_that_cannot_be_decoded_is_not_audio() -> None:
    data = _with_unknown_first_codec(media.muxed("matroska", [(0.0, media.tone(3))], [(0.0, media.tone(1))]))

    with pytest.raises(Problem, match="Audio track 0 ") as refused:
        heard(data, 0)
    assert refused.value.code == "not_audio"


def _with_unknown_first_codec(data: bytes) -> bytes:
    assert data.count(b"A_AAC") == 2
    return data.replace(b"A_AAC", b"A_XXX", 1)


def test_bare_samples_are_one_track() -> None:
    samples = media.tone(1).tobytes()

    assert decode_raw(io.BytesIO(samples), HOUR, 0).duration == 1
    with pytest.raises(Problem, match="1 audio track"):
        decode_raw(io.BytesIO(samples), HOUR, 1)


@pytest.mark.parametrize("count", [1, 2, 3, 6, 8, 9, 11, 17, 64, 255])
def test_any_number_of_channels_is_heard(count: int) -> None:
    data = media.channels([media.tone(2)] * count)

    audio = heard(data)

    np.testing.assert_allclose(audio.samples, media.tone(2) / 32768.0, atol=2e-3)


@pytest.mark.parametrize("voice", range(6))
def test_a_voice_on_any_channel_is_heard(voice: int) -> None:
    channels = [media.tone(2) if number == voice else media.silence(2) for number in range(6)]

    assert sounding(heard(media.channels(channels))) == about((0, 2))


def test_a_channel_that_is_inverted_does_not_silence_the_recording() -> None:
    assert sounding(heard(media.channels([media.tone(2), -media.tone(2)]))) == about((0, 2))
