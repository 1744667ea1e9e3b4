"""The recordings and forms that the transcription cases send."""

from pathlib import Path

from aiohttp import FormData

VOICE = Path(__file__).parents[2] / "examples" / "audio" / "austen-ill-disposed.wav"


def form(field: str, content: bytes | None = None, *, filename: str = "voice.wav", **fields: str) -> FormData:
    """A multipart form with the recorded voice, or `content`, under `field`, behind the text fields."""
    data = FormData()
    for name, value in fields.items():
        data.add_field(name, value)
    voice = VOICE.read_bytes() if content is None else content
    data.add_field(field, voice, filename=filename, content_type="audio/wav")
    return data


def text_part(field: str) -> FormData:
    """A multipart form whose part `field` has no filename: a text field, not a file."""
    data = FormData(default_to_multipart=True)
    data.add_field(field, "not a file")
    return data
