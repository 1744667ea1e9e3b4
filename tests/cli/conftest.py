"""The plugin under test, in this process, in front of the real bridge with fakes for its upstreams."""

import pytest

from bridge.conftest import openai_chat, speech_whisper, start_bridge, streaming_bridge
from bridge.running import StartBridge
from fakes.gates import Point
from fakes.openai_chat import FakeOpenAIChat
from fakes.speech_whisper import FakeSpeechWhisper

__all__ = ["openai_chat", "speech_whisper", "start_bridge", "streaming_bridge"]


@pytest.fixture
async def stuck_url(start_bridge: StartBridge, speech_whisper: FakeSpeechWhisper, openai_chat: FakeOpenAIChat) -> str:
    """The address of a bridge whose Whisper stops after the first segment."""
    speech_whisper.hold(Point.BETWEEN_TOKENS)
    bridge = await start_bridge(
        whisper_url=speech_whisper.url,
        ollama_url=openai_chat.url,
        transcriber="openai",
        generator="openai",
        request_timeout=0.4,
    )
    return bridge.url
