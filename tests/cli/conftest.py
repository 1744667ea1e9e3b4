"""The plugin under test, in this process, in front of the real bridge with fakes for its upstreams."""

from bridge.conftest import openai_chat, speech_whisper, start_bridge, streaming_bridge

__all__ = ["openai_chat", "speech_whisper", "start_bridge", "streaming_bridge"]
