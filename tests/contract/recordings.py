"""The recordings and forms that the transcription cases send."""

import io
import wave
from functools import cache
from pathlib import Path

from aiohttp import FormData

RECORDINGS = Path(__file__).parents[2] / "examples" / "audio"
VOICE = RECORDINGS / "austen-ill-disposed.wav"
VOICES = (RECORDINGS / "austen-leisure-to-consider.wav", VOICE)
RATE = 16_000
PAUSE_S = 12.0
BYTES_OF_40_S = 44 + 40 * RATE * 2
"""Of `long_recording`: more than Whisper's window of 30 s, and less than the recording."""


@cache
def long_recording() -> bytes:
    """A WAV of a minute: both voices, then the first again.

    The pauses are so long that each is decoded on its own: the same sentence twice in a window of 30 s fails Whisper's
    check for repetition, and is then sampled at random.
    """
    pause = bytes(int(PAUSE_S * RATE) * 2)
    samples = pause.join(_samples(voice) for voice in (*VOICES, VOICES[0]))
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(RATE)
        wav.writeframes(samples)
    return buffer.getvalue()


def _samples(recording: Path) -> bytes:
    with wave.open(str(recording)) as wav:
        return wav.readframes(wav.getnframes())


def form(field: str, content: bytes | None = None, *, filename: str = "voice.wav", **fields: str) -> FormData:
    """A multipart form with the recorded voice, or `content`, under `field`, behind the text fields."""
    data = FormData()
    for name, value in fields.items():
        data.add_field(name, value)
    voice = VOICE.read_bytes() if content is None else content
    data.add_field(field, voice, filename=filename, content_type="audio/wav")
    return data


def text_part(field: str, text: str = "not a file") -> FormData:
    """A multipart form whose part `field` has no filename: a text field, not a file."""
    data = FormData(default_to_multipart=True)
    data.add_field(field, text)
    return data
