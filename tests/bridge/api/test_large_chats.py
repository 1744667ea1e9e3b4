"""Large chats are parsed, decoded and written in threads, so that other requests go on."""

import base64
import io
import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.chats import asked, chat, input_audio
from bridge.running import WAV, Bridge, wav
from fakes.openai_chat import FakeOpenAIChat
from fakes.speech_whisper import FakeSpeechWhisper
from speechbridge.api import chat_recordings
from speechbridge.generators import large_json
from speechbridge.intake import json_request
from speechbridge.off_loop import LARGE_BYTES, STEP_BYTES, off_loop

pytestmark = pytest.mark.unit

STEPS = ((json_request, "_parsed"), (json_request, "_count_values"), (chat_recordings, "_all_decoded"))


@pytest.fixture
def on_loop(monkeypatch: pytest.MonkeyPatch) -> dict[str, bool]:
    """Whether each step of the last chat was done by the thread that runs the event loop."""
    seen: dict[str, bool] = {}
    loops_thread = threading.get_ident()

    def watched(name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any) -> Any:
            seen[name] = threading.get_ident() == loops_thread
            return work(*arguments)

        return run

    for module, name in (*STEPS, (large_json, "encoded")):
        monkeypatch.setattr(module, name, watched(name, getattr(module, name)))
    return seen


async def test_a_large_chat_is_handled_off_the_loop(
    streaming_bridge: Bridge, speech_whisper: FakeSpeechWhisper, openai_chat: FakeOpenAIChat, on_loop: dict[str, bool]
) -> None:
    openai_chat.context_length = 10**6
    recording = wav(40)
    text = {"type": "text", "text": "Ein Gr\u00fc\u00df \U0001f600 von " * 100_000}

    body = json.dumps(asked(text, input_audio(base64.encodebytes(recording).decode()))).encode()
    async with streaming_bridge.client.post("/v1/chat/completions", data=io.BytesIO(body)) as response:
        assert response.status == 200

    assert on_loop == {"_parsed": False, "_count_values": False, "_all_decoded": False, "encoded": False}
    audio = speech_whisper.work[0].audio
    assert audio
    assert (audio.size, audio.head) == (len(recording), recording[:64])
    assert openai_chat.work[0].json["messages"][-1]["content"].startswith(text["text"])


async def test_a_small_chat_uses_no_thread(streaming_bridge: Bridge, on_loop: dict[str, bool]) -> None:
    got, _ = await chat(streaming_bridge, asked(input_audio(base64.b64encode(WAV).decode())))

    assert got == 200
    assert on_loop == {"_parsed": True, "_count_values": True, "_all_decoded": True}


async def test_only_what_is_large_is_done_in_a_thread() -> None:
    here = threading.get_ident()

    assert await off_loop(LARGE_BYTES, threading.get_ident) == here
    assert await off_loop(LARGE_BYTES + 1, threading.get_ident) != here


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=20,
    )
)
def test_json_in_pieces_is_that_of_python(value: object) -> None:
    assert large_json.encoded(value) == json.dumps(value).encode()


def test_a_long_string_in_slices_is_that_of_python() -> None:
    text = 'a"\\\n\u00e9\U0001f600\ud83d' * STEP_BYTES

    assert large_json.encoded({"x": [text]}) == json.dumps({"x": [text]}).encode()


@pytest.mark.parametrize("value", ["a" * (LARGE_BYTES + 1), [[]] * 20_000], ids=["a long string", "many values"])
def test_large_values_are_known(value: object) -> None:
    assert large_json.size_of({"messages": value}) > LARGE_BYTES


@pytest.mark.parametrize("data", ["QUI=QUJD", "QQ==QQ==", "Q", "QUJDQ", "QU*D", "Q\u00fcJD"])
async def test_invalid_base64_is_refused(streaming_bridge: Bridge, data: str) -> None:
    got, answer = await chat(streaming_bridge, asked(input_audio(data)))

    assert (got, answer["error"]["code"]) == (400, "bad_field")
