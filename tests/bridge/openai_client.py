"""OpenAI's official client, pointed at a bridge."""

import base64
from typing import Any

import openai
import pytest

of_a_deprecated_method = pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")
"""For tests of translations: the client warns of that method, which programs still call."""


def client_for(url: str) -> openai.AsyncOpenAI:
    """A client that gives up at the first failure, so that a test sees it."""
    return openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0, timeout=60)


def spoken_question(recording: bytes) -> Any:
    """The content of a chat message: a written question about a recording."""
    audio = {"data": base64.b64encode(recording).decode(), "format": "wav"}
    return [{"type": "text", "text": "What is he like?"}, {"type": "input_audio", "input_audio": audio}]
