"""Files are rendered from the bridge's JSON exactly as the bridge renders them."""

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechbridge.api import formats as bridge
from speechbridge.api import json_response
from speechbridge.transcribers.transcript import Segment, Transcript
from speechcli.transcription.request import transcript as rendered

pytestmark = pytest.mark.unit

WORDS = st.text() | st.sampled_from((" He --> she", " a\n\nb", "\ud800", "-->"))
SEGMENTS = st.builds(Segment, st.just(0), st.floats(0, 4e5), st.floats(0, 4e5), WORDS)


@pytest.mark.parametrize(
    ("ending", "render"), [("srt", bridge.srt), ("vtt", bridge.vtt), ("txt", lambda heard: f"{heard.text}\n")]
)
@given(st.lists(SEGMENTS))
def test_a_file_is_what_the_bridge_renders(
    ending: str, render: Callable[[Transcript], str], segments: list[Segment]
) -> None:
    text = "".join(segment.text for segment in segments).strip()
    heard = Transcript(text, None, None, tuple(segments))

    body = json_response.encode(bridge.verbose(heard, "transcribe", words=False, segments=True))

    assert rendered(body, ending).content == render(heard).encode(errors="replace")


def test_json_is_the_bridges_own() -> None:
    body = json.dumps({"text": "Hello", "later": 1}).encode()

    assert rendered(body, "json").content == body
