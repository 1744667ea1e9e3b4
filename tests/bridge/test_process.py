"""`POST /process`, as its clients know it."""

import pytest
from fakes.ollama import FakeOllama
from fakes.whisper import FakeAsrWebservice

pytestmark = pytest.mark.unit


async def test_answers_with_the_older_bridges_members_first(bridge, asr: FakeAsrWebservice) -> None:
    status, answer = await bridge.json(prompt="Summarise:")

    assert status == 200
    assert list(answer)[:4] == ["transcription", "response", "process_time_ms", "model"]
    assert answer["transcription"] == asr.transcript.text.strip()
    assert answer["response"]
    assert answer["model"] == "smollm2:135m"
    assert answer["warnings"] == []
