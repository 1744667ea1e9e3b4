"""Clients that people already use, at versions of their own, work unchanged with the real service."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clients.conftest import VOICE
from spoken import WORST_WORD_ERROR_RATE, transcript, word_error_rate, words

if TYPE_CHECKING:
    from clients.conftest import Answers

pytestmark = pytest.mark.component


def understood(text: str) -> bool:
    return word_error_rate(transcript(VOICE), text) <= WORST_WORD_ERROR_RATE


async def test_openai_for_node(answers: Answers) -> None:
    found = await answers("node/openai.mjs")

    assert understood(found["json"])
    assert found["srt"].startswith("1\n00:00:0")
    assert understood(found["verbose"]["text"])
    assert found["verbose"]["language"] == "english"
    assert found["verbose"]["words"] >= 12
    *deltas, done = found["events"]
    assert {event["type"] for event in deltas} == {"transcript.text.delta"}
    assert done["type"] == "transcript.text.done"
    assert understood(done["text"])
    assert found["chat"] == found["chatStreamed"]
    assert found["response"] == found["responseStreamed"] != ""
    assert found["heard"]["prompt_tokens"] > 20, "the recording's words are part of the prompt"
    assert found["error"] == {"type": "BadRequestError", "status": 400, "code": "not_audio"}


async def test_the_ai_sdk(answers: Answers) -> None:
    found = await answers("node/ai_sdk.mjs")

    heard = found["transcript"]
    assert understood(heard["text"])
    assert heard["language"] == "en"
    assert heard["seconds"] == pytest.approx(5.3, abs=0.1)
    assert heard["words"] >= 12
    assert found["responses"] == found["responsesStreamed"] != ""
    assert found["chat"] == found["chatStreamed"] != ""
    assert found["object"]["mood"] in {"good", "bad"}


async def test_axios_gets_its_answer_and_its_program_ends(answers: Answers) -> None:
    found = await answers("node/axios.mjs")

    assert understood(found["transcription"])
    assert found["model"] == "smollm2:135m"


async def test_litellm(answers: Answers) -> None:
    found = await answers("python/litellm_sdk.py")

    assert understood(found["transcripts"]["json"])
    assert understood(found["transcripts"]["verbose_json"])
    assert understood(found["transcripts"]["text"])
    assert found["transcripts"]["srt"].startswith("1\n00:00:0")
    assert found["transcripts"]["vtt"].startswith("WEBVTT\n\n00:00:0")
    assert found["answer"] == found["streamed"] != ""
    assert found["too_long"] == "ContextWindowExceededError"


async def test_langchain_by_both_apis(answers: Answers) -> None:
    found = await answers("python/langchain_openai_chat.py")

    assert found["chat"] == found["chat_streamed"] != ""
    assert found["responses"] == found["responses_streamed"] != ""
    assert found["object"]["mood"] in {"good", "bad"}
    assert found["too_long"] == "OpenAIContextOverflowError"


async def test_livekits_speech_to_text_with_its_default_model(answers: Answers) -> None:
    found = await answers("python/livekit_stt.py")

    assert found["model"] == "gpt-4o-mini-transcribe"
    assert understood(found["text"])


async def test_pipecats_speech_to_text_with_its_default_model(answers: Answers) -> None:
    (frame,) = await answers("python/pipecat_stt.py")

    assert frame["type"] == "TranscriptionFrame"
    assert "disposed" in words(frame["text"])
