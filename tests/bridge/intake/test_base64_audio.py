"""Base64 in the ways in which programs write it."""

import base64

import pytest

from bridge.running import WAV
from speechbridge.intake.base64_audio import decoded

pytestmark = pytest.mark.unit

AUDIO = WAV + b"\xff\xfb\xfe"
PLAIN = base64.b64encode(AUDIO).decode()


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        base64.encodebytes(AUDIO).decode(),
        base64.encodebytes(AUDIO).decode().replace("\n", "\r\n"),
        base64.urlsafe_b64encode(AUDIO).decode(),
        PLAIN.rstrip("="),
        f"data:audio/wav;base64,{PLAIN}",
        f"DATA:audio/webm;codecs=opus;BASE64,{PLAIN}\n",
    ],
)
def test_the_recording_is_read(text: str) -> None:
    assert decoded(text) == AUDIO


@pytest.mark.parametrize(
    "text", ["%%%", "UklGR", "zürich", "data:audio/wav,RIFF", "data:audio/wav;base64", "a=b=", "=AAAA"]
)
def test_anything_else_is_not_base64(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        decoded(text)
