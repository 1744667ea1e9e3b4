"""A recording that is the whole body of a request goes the way of one in a form."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bridge.running import WAV

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bridge.running import Bridge, StartBridge
    from fakes.ollama import FakeOllama
    from fakes.openai_chat import FakeOpenAIChat
    from fakes.speech_whisper import FakeSpeechWhisper

pytestmark = pytest.mark.unit

TYPE = {"Content-Type": "audio/wav"}


async def in_pieces(data: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def test_process_takes_it_with_its_options(
    streaming_bridge: Bridge, speech_whisper: FakeSpeechWhisper, openai_chat: FakeOpenAIChat
) -> None:
    query = {"prompt": "Summarise größer:", "language": "en-GB", "whisper_temperature": "0.4"}
    async with streaming_bridge.client.post("/process", params=query, data=WAV, headers=TYPE) as response:
        answer = await response.json()

    assert (response.status, answer["transcription"]) == (200, speech_whisper.transcript.text.strip())
    (sent,) = speech_whisper.work
    assert (sent.value("language"), sent.value("temperature")) == ("en", "0.4")
    assert sent.audio is not None
    assert sent.audio.size == len(WAV)
    assert "Summarise größer:" in str(openai_chat.work[0].json["messages"])


async def test_a_large_one_is_streamed_through(streaming_bridge: Bridge, speech_whisper: FakeSpeechWhisper) -> None:
    recording = WAV + bytes(3_000_000)
    body = in_pieces(recording, 100_000)
    async with streaming_bridge.client.post("/v1/audio/transcriptions", data=body, headers=TYPE) as response:
        assert response.status == 200

    assert speech_whisper.work[0].audio is not None
    assert speech_whisper.work[0].audio.size == len(recording)


@pytest.mark.parametrize(
    ("body", "expected"),
    [(b"", (400, "empty_file")), (b"text", (400, "not_audio")), (bytes(2000), (413, "upload_too_large"))],
)
@pytest.mark.parametrize("chunked", [False, True])
async def test_a_bad_one_is_refused(
    start_bridge: StartBridge,
    speech_whisper: FakeSpeechWhisper,
    ollama: FakeOllama,
    body: bytes,
    expected: tuple[int, str],
    *,
    chunked: bool,
) -> None:
    bridge = await start_bridge(
        whisper_url=speech_whisper.url, transcriber="openai", ollama_url=ollama.url, max_upload_bytes=1000
    )
    data = in_pieces(body, 100) if chunked else body
    async with bridge.client.post("/process", data=data, headers=TYPE) as response:
        assert (response.status, (await response.json())["code"]) == expected


async def test_an_option_sent_twice_is_refused(streaming_bridge: Bridge) -> None:
    path = "/process?language=en&language=de"
    async with streaming_bridge.client.post(path, data=WAV, headers=TYPE) as response:
        assert (response.status, (await response.json())["param"]) == (400, "language")
