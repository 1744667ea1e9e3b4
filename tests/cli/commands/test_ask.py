"""`kubectl speech ask` in front of a real bridge."""

import json
from pathlib import Path

import pytest

from bridge.running import WAV, Bridge, StartBridge
from fakes.faults import Answer
from fakes.openai_chat import FakeOpenAIChat
from fakes.speech_whisper import FakeSpeechWhisper
from fakes.transcripts import SPEECH
from speechcli.__main__ import parser
from speechcli.commands.ask import ask
from speechcli.errors import RequestError, UsageError

pytestmark = pytest.mark.unit


@pytest.fixture
def voice(tmp_path: Path) -> Path:
    path = tmp_path / "voice.wav"
    path.write_bytes(WAV)
    return path


async def asked(*options: str | Path) -> int:
    return await ask(parser("ask").parse_args([str(option) for option in options]))


async def test_transcript_and_answer_are_printed_plainly_without_a_terminal(
    streaming_bridge: Bridge, voice: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = await asked("calls", voice, "--prompt", "Why?", "--url", streaming_bridge.url)

    printed = capsys.readouterr().out
    words = printed.split()
    assert code == 0
    assert "\x1b" not in printed
    assert " ".join(SPEECH.text.split()) in " ".join(words)
    assert "to the prompt: Why?" in printed
    assert "done after" in printed


async def test_json_is_the_whole_response_and_nothing_else(
    streaming_bridge: Bridge, voice: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = await asked("calls", voice, "--url", streaming_bridge.url, "-o", "json")

    answer = json.loads(capsys.readouterr().out)
    assert code == 0
    assert answer["transcription"] == SPEECH.text.strip()
    assert answer["response"]


async def test_language_and_model_reach_the_service(
    streaming_bridge: Bridge, speech_whisper: FakeSpeechWhisper, openai_chat: FakeOpenAIChat, voice: Path
) -> None:
    model = (await (await streaming_bridge.client.get("/v1/models")).json())["data"][0]["id"]
    speech_whisper.model = "tiny"

    await asked("calls", voice, "--url", streaming_bridge.url, "--language", "de", "--model", model)

    (heard,) = [one for one in speech_whisper.requests if speech_whisper.is_work(one)][-1:]
    assert heard.value("language") == "de"
    assert openai_chat.requests[-1].json["model"] == model


async def test_a_failed_generation_shows_the_transcript_and_fails(
    streaming_bridge: Bridge, openai_chat: FakeOpenAIChat, voice: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    openai_chat.always(Answer(status=500, body=b'{"error": {"message": "out of memory"}}'))

    code = await asked("calls", voice, "--url", streaming_bridge.url)

    assert code == 1
    assert "processing failed" in capsys.readouterr().out


async def test_what_was_transcribed_before_the_deadline_is_shown_with_where_it_ends(
    stuck_url: str, voice: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = await asked("calls", voice, "--url", stuck_url)

    printed = capsys.readouterr().out
    assert code == 1
    assert SPEECH.segments[0].text in printed
    assert printed.count("REQUEST_TIMEOUT") == 1
    assert "note: The transcript ends at 2.4 s." in printed
    assert "Ollama" not in printed
    assert "transcript after" not in printed


async def test_json_has_what_was_transcribed_before_the_deadline(
    stuck_url: str, voice: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = await asked("calls", voice, "--url", stuck_url, "-o", "json")

    answer = json.loads(capsys.readouterr().out)
    assert code == 1
    assert answer["transcription"] == SPEECH.segments[0].text.strip()
    assert answer["error"]["code"] == "deadline_exceeded"


async def test_a_missing_key_is_an_error_that_names_the_option(
    start_bridge: StartBridge,
    speech_whisper: FakeSpeechWhisper,
    openai_chat: FakeOpenAIChat,
    voice: Path,
) -> None:
    keys = voice.parent / "keys"
    keys.mkdir()
    (keys / "mine").write_text("open-sesame")
    bridge = await start_bridge(
        whisper_url=speech_whisper.url,
        ollama_url=openai_chat.url,
        transcriber="openai",
        generator="openai",
        models="",
        api_keys_dir=str(keys),
    )

    with pytest.raises(RequestError) as refused:
        await asked("calls", voice, "--url", bridge.url)

    assert refused.value.code == "invalid_api_key"
    assert "--api-key" in refused.value.advice
    assert await asked("calls", voice, "--url", bridge.url, "--api-key", "open-sesame") == 0


async def test_an_address_without_a_scheme_is_a_usage_error(voice: Path) -> None:
    with pytest.raises(UsageError, match="is not an address"):
        await asked("calls", voice, "--url", "speech.example.com")
