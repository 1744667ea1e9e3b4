"""The operator's canary request, answered by a bridge: the two agree on `/process`."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from fakes.faults import Answer, StreamError
from fakes.transcripts import SILENCE
from speechoperator.canary.request import request, sentence

if TYPE_CHECKING:
    from pathlib import Path

    from bridge.running import Bridge, StartBridge
    from fakes.ollama import FakeOllama
    from fakes.whisper import FakeAsrWebservice

pytestmark = pytest.mark.unit


async def test_the_sentence_passes_through_whisper_and_one_token_through_the_language_model(
    bridge: Bridge, asr: FakeAsrWebservice, ollama: FakeOllama
) -> None:
    found = await request(bridge.url)

    assert found.error == ""
    assert found.total_s >= found.whisper_s >= 0
    recording = asr.work[-1].audio
    assert recording
    assert recording.sha256 == hashlib.sha256(sentence()).hexdigest()
    assert ollama.work[-1].json["options"]["num_predict"] == 1


async def test_a_language_model_that_fails_is_named(bridge: Bridge, ollama: FakeOllama) -> None:
    ollama.always(StreamError(after=0))

    assert "the language model does not answer: " in (await request(bridge.url)).error


async def test_a_whisper_that_fails_or_hears_nothing_is_named(bridge: Bridge, asr: FakeAsrWebservice) -> None:
    asr.always(Answer(500))
    assert "the bridge answers HTTP 502: " in (await request(bridge.url)).error

    asr.always(None)
    asr.transcript = SILENCE
    assert (await request(bridge.url)).error == "Whisper recognized no word of a spoken sentence"


async def test_a_bridge_with_keys_says_so(
    start_bridge: StartBridge, asr: FakeAsrWebservice, ollama: FakeOllama, tmp_path: Path
) -> None:
    (tmp_path / "team").write_text("a-key-of-some-length")
    bridge = await start_bridge(whisper_url=asr.url, llm_url=ollama.url, api_keys_dir=str(tmp_path))

    assert (await request(bridge.url)).error.startswith("the bridge answers HTTP 401: ")
