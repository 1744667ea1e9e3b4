"""Which containers are opened: those of a reviewed list, which open nothing but the upload."""

from __future__ import annotations

import io
import re
import struct
from pathlib import Path

import av
import numpy as np
import pytest

from speechwhisper.audio import sources
from speechwhisper.audio.containers import FORMATS
from speechwhisper.audio.decode import decode
from speechwhisper.errors import Problem
from whisper import media

pytestmark = pytest.mark.unit

ENABLED = FORMATS.split(",")
REFERENCE = Path(__file__).parents[3] / "docs/reference/whisper-server.md"


class Stream:
    """Cannot be sought, as an upload."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def read(self, size: int = -1) -> bytes:
        return self._data.read(size)


def nist_sphere(samples: media.Pcm) -> bytes:
    """NIST SPHERE, of speech corpora: a header of 1024 bytes of text, then samples."""
    fields = [
        f"sample_count -i {len(samples)}",
        "channel_count -i 1",
        "sample_rate -i 16000",
        "sample_n_bytes -i 2",
        "sample_byte_format -s2 01",
        "sample_coding -s3 pcm",
        "end_head",
    ]
    header = "\n".join(["NIST_1A", "   1024", *fields, ""])
    return header.encode().ljust(1024) + samples.astype("<i2").tobytes()


def portable_voice(samples: media.Pcm) -> bytes:
    """PVF, of voice mail systems."""
    return b"PVF1\n1 16000 16\n" + samples.astype(">i2").tobytes()


def speech_lab(samples: media.Pcm) -> bytes:
    """NSP, of Computerized Speech Lab."""
    header = b"Jan 01 2020 00:00:00" + struct.pack("<IIhh", media.RATE, len(samples), 8000, -1)
    data = samples.astype("<i2").tobytes()
    chunks = b"HEDR" + struct.pack("<I", len(header)) + header + b"SDA_" + struct.pack("<I", len(data)) + data
    return b"FORMDS16" + struct.pack("<I", len(chunks)) + chunks


def audio_visual_research(samples: media.Pcm) -> bytes:
    """AVR: a header of 128 bytes, then samples."""
    fields = struct.pack(">5h4I", 0, 16, -1, 0, -1, 0xFF000000 | media.RATE, len(samples), 0, len(samples))
    return (b"2BIT" + bytes(8) + fields).ljust(128, b"\0") + samples.astype(">i2").tobytes()


def ilbc(seconds: float) -> bytes:
    """ILBC, of telephony: frames of 50 bytes for 30 ms, here of noise."""
    return b"#!iLBC30\n" + np.random.default_rng(1).bytes(50 * round(seconds / 0.03))


def video(container: str, codec: str, seconds: int, size: tuple[int, int] = (64, 64)) -> bytes:
    """Black pictures, and sound at 48 kHz, as broadcasters and cameras record them."""
    buffer = io.BytesIO()
    width, height = size
    with av.open(buffer, "w", format=container) as output:
        pictures = output.add_stream(codec, rate=25)
        pictures.width, pictures.height, pictures.pix_fmt = width, height, "yuv420p"
        sound = output.add_stream("pcm_s16le", rate=48_000, layout="stereo")
        for number in range(25 * seconds):
            black = av.VideoFrame.from_ndarray(np.zeros((height, width, 3), dtype=np.uint8), format="rgb24")
            output.mux(pictures.encode(black))
            frame = av.AudioFrame.from_ndarray(np.full((1, 3840), 5000, dtype=np.int16), format="s16", layout="stereo")
            frame.sample_rate, frame.pts = 48_000, number * 1920
            output.mux(sound.encode(frame))
        output.mux(pictures.encode(None))
        output.mux(sound.encode(None))
    return buffer.getvalue()


TONE = media.tone(2)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(video("mxf", "mpeg2video", 2), id="mxf"),
        pytest.param(video("dv", "dvvideo", 2, (720, 576)), id="dv"),
        pytest.param(media.encode(TONE, "gxf", "pcm_s16le", rate=48_000), id="gxf"),
        pytest.param(media.encode(TONE, "spdif", "ac3", rate=48_000), id="spdif"),
        pytest.param(media.encode(TONE, "ac3", "ac3", rate=48_000), id="ac3"),
        pytest.param(media.encode(TONE, "eac3", "eac3", rate=48_000), id="eac3"),
        pytest.param(media.encode(TONE, "mmf", "adpcm_yamaha", rate=8000), id="mmf"),
        pytest.param(media.encode(TONE, "ircam", "pcm_s16le"), id="ircam"),
        pytest.param(media.encode(TONE, "sox", "pcm_s32le"), id="sox"),
        pytest.param(media.encode(TONE, "latm", "aac"), id="loas"),
        pytest.param(media.encode(TONE, "amr", "libopencore_amrnb", rate=8000), id="amr"),
        pytest.param(media.encode(TONE, "rm", "real_144", rate=8000), id="rm"),
        pytest.param(media.encode(TONE, "tta", "tta"), id="tta"),
        pytest.param(media.encode(TONE, "wv", "wavpack"), id="wv"),
        pytest.param(media.encode(TONE, "voc", "pcm_s16le"), id="voc"),
        pytest.param(media.encode(TONE, "w64", "pcm_s16le"), id="w64"),
        pytest.param(media.encode(TONE, "nut", "pcm_s16le"), id="nut"),
        pytest.param(media.encode(TONE, "flv", "aac", rate=44_100), id="flv"),
        pytest.param(media.encode(TONE, "mpeg", "mp2", rate=48_000), id="mpeg"),
        pytest.param(nist_sphere(TONE), id="nistsphere"),
        pytest.param(portable_voice(TONE), id="pvf"),
        pytest.param(speech_lab(TONE), id="nsp"),
        pytest.param(audio_visual_research(TONE), id="avr"),
        pytest.param(ilbc(2), id="ilbc"),
    ],
)
def test_it_is_decoded_as_a_stream(data: bytes) -> None:
    audio = decode(Stream(data), 3600)

    assert audio.duration == pytest.approx(2, abs=0.2)
    assert abs(audio.samples).max() > 0.1


def test_each_enabled_format_is_a_demuxer() -> None:
    known = {name for names in av.formats_available for name in names.split(",")}

    assert [name for name in ENABLED if name not in known] == []
    for name in ENABLED:
        assert av.ContainerFormat(name, "r").is_input


def test_the_documentation_lists_the_enabled_formats_and_no_others() -> None:
    text = " ".join(REFERENCE.read_text(encoding="utf-8").split())
    (listed,) = re.findall(r"these demuxers of FFmpeg: ([^.]*)\.", text)

    assert re.findall(r"`(\w+)`", listed) == ENABLED == sorted(ENABLED)


@pytest.mark.parametrize(
    "name",
    [
        *("concat", "hls", "dash", "imf", "webm_dash_manifest", "sdp", "rtsp", "rtp", "sap", "sbg", "ffmetadata"),
        *("image2", "image2pipe", "mlv", "vobsub", "tedcaptions", "lavfi", "libgme", "avisynth", "vapoursynth"),
        *("alsa", "oss", "pulse", "fbdev", "v4l2", "x11grab", "kmsgrab", "live_flv", "data", "rawvideo"),
    ],
)
def test_what_refers_to_other_sources_is_not_enabled(name: str) -> None:
    assert name not in ENABLED


@pytest.mark.parametrize(
    "script",
    [
        b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile:///etc/hostname\n",
        b"ffconcat version 1.0\nfile /etc/hostname\n",
        b"[playlist]\nFile1=file:///etc/hostname\n",
        b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n",
        b'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"></MPD>',
        b'<?xml version="1.0"?><CompositionPlaylist xmlns="http://www.smpte-ra.org/schemas/2067-3/2016" />',
        b"# VobSub index file, v7 (do not modify this line!)\nsize: 720x576\n",
        b";FFMETADATA1\ntitle=x\n",
        b"-SE\nNOW 200+2/50\n",
    ],
)
def test_a_file_that_refers_to_others_is_refused(script: bytes) -> None:
    with pytest.raises(Problem) as refused:
        decode(Stream(script), 3600)
    assert refused.value.code == "not_audio"


@pytest.mark.parametrize("protocols", ["none", "file"])
def test_ffmpeg_opens_no_file_even_for_a_script(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, protocols: str
) -> None:
    """The second line of defence, shown with a script format that is not enabled."""
    assert sources.OPTIONS["protocol_whitelist"] == "none"
    monkeypatch.setitem(sources.OPTIONS, "format_whitelist", f"{FORMATS},concat")
    monkeypatch.setitem(sources.OPTIONS, "protocol_whitelist", protocols)
    (tmp_path / "other.wav").write_bytes(media.encode(TONE))
    monkeypatch.chdir(tmp_path)

    if protocols == "file":
        assert decode(Stream(b"ffconcat version 1.0\nfile other.wav\n"), 3600).duration == 2
    else:
        with pytest.raises(Problem):
            decode(Stream(b"ffconcat version 1.0\nfile other.wav\n"), 3600)
