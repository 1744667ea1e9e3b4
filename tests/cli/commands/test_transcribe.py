"""`kubectl speech transcribe` in front of a real bridge."""

import asyncio
import json
from pathlib import Path
from unittest.mock import AsyncMock

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bridge.running import WAV, Bridge
from fakes.gates import Point
from fakes.speech_whisper import FakeSpeechWhisper
from fakes.transcripts import SPEECH
from speechcli.__main__ import parser
from speechcli.commands.transcribe import transcribe_files
from speechcli.kube.client import ApiError
from speechcli.transcription.request import Transcript

pytestmark = pytest.mark.unit

UNKNOWN_LENGTH = b"\x1aE\xdf\xa3" + bytes(20_000)
"""As a browser records it: nothing in it tells its duration, so the bridge asks Whisper for segments."""
BUSY = {"code": "overloaded", "message": "busy"}


@pytest.fixture
def voices(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{name}.wav" for name in ("one", "two", "three")]
    for path in paths:
        path.write_bytes(WAV)
    return paths


async def transcribed(bridge_url: str, *options: str | Path) -> int:
    given = ["calls", *map(str, options), "--url", bridge_url]
    return await transcribe_files(parser("transcribe").parse_args(given))


def sent(whisper: FakeSpeechWhisper) -> int:
    return sum(whisper.is_work(one) for one in whisper.requests)


@pytest.mark.parametrize(
    ("ending", "beginning"), [("srt", "1\n00:00:0"), ("vtt", "WEBVTT"), ("txt", SPEECH.text.strip()[:10])]
)
async def test_each_format_is_the_bridges_own(
    streaming_bridge: Bridge, voices: list[Path], ending: str, beginning: str
) -> None:
    code = await transcribed(streaming_bridge.url, voices[0], "-o", ending)

    assert code == 0
    assert voices[0].with_suffix(f".{ending}").read_text().startswith(beginning)


@pytest.mark.parametrize("ending", ["srt", "vtt", "txt", "json"])
async def test_warnings_are_notes_below_their_file(
    streaming_bridge: Bridge,
    speech_whisper: FakeSpeechWhisper,
    voices: list[Path],
    capsys: pytest.CaptureFixture[str],
    ending: str,
) -> None:
    speech_whisper.warnings = [{"code": "doubtful", "message": "1.5 s of the transcript may be wrong."}]

    code = await transcribed(streaming_bridge.url, voices[0], "-o", ending)

    written, note, summary = capsys.readouterr().out.splitlines()
    assert code == 0
    assert written.startswith("✓")
    assert note == "  note: 1.5 s of the transcript may be wrong."
    assert summary == "1 written"


@pytest.mark.parametrize("ending", ["srt", "json"])
async def test_a_transcript_that_the_deadline_ended_is_not_written(
    stuck_url: str, voices: list[Path], capsys: pytest.CaptureFixture[str], ending: str
) -> None:
    recorded = voices[0].with_suffix(".webm")
    recorded.write_bytes(UNKNOWN_LENGTH)

    code = await transcribed(stuck_url, recorded, "-o", ending)

    printed = capsys.readouterr().out
    assert code == 1
    assert "The transcript ends at 2.4 s." in printed
    assert "(deadline_exceeded)" in printed
    assert not recorded.with_suffix(f".{ending}").exists()


async def test_json_has_segments_with_times(streaming_bridge: Bridge, voices: list[Path], tmp_path: Path) -> None:
    await transcribed(streaming_bridge.url, *voices, "-o", "json", "--into", tmp_path / "out" / "new")

    written = sorted((tmp_path / "out" / "new").iterdir())
    assert [path.name for path in written] == ["one.json", "three.json", "two.json"]
    assert json.loads(written[0].read_text())["segments"][0]["end"] > 0


async def test_finished_files_are_skipped(
    streaming_bridge: Bridge,
    speech_whisper: FakeSpeechWhisper,
    voices: list[Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    voices[1].with_suffix(".srt").write_text("mine")

    code = await transcribed(streaming_bridge.url, *voices, "-o", "srt")

    assert code == 0
    assert sent(speech_whisper) == 2
    assert voices[1].with_suffix(".srt").read_text() == "mine"
    assert "2 written, 1 skipped" in capsys.readouterr().out


async def test_with_everything_finished_no_request_is_sent(voices: list[Path]) -> None:
    voices[0].with_suffix(".srt").write_text("mine")

    assert await transcribed("http://127.0.0.1:1", voices[0], "-o", "srt") == 0


async def test_an_interrupted_call_is_resumed_by_repeating_it(
    streaming_bridge: Bridge, speech_whisper: FakeSpeechWhisper, voices: list[Path]
) -> None:
    await transcribed(streaming_bridge.url, voices[0], "-o", "srt")
    gate = speech_whisper.hold(Point.BEFORE_ANSWER)
    interrupted = asyncio.create_task(transcribed(streaming_bridge.url, *voices, "-o", "srt"))
    await gate.reached()
    interrupted.cancel()
    await asyncio.gather(interrupted, return_exceptions=True)
    gate.release()
    left = {path.name for path in voices[0].parent.iterdir()}

    code = await transcribed(streaming_bridge.url, *voices, "-o", "srt")

    assert left == {"one.wav", "two.wav", "three.wav", "one.srt"}
    assert code == 0
    assert all(path.with_suffix(".srt").exists() for path in voices)


async def test_a_failed_file_does_not_stop_the_others(
    streaming_bridge: Bridge, voices: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken.wav"
    broken.write_text("no audio " * 50)

    code = await transcribed(streaming_bridge.url, broken, *voices, tmp_path / "none.wav", "-o", "txt")

    printed = capsys.readouterr().out
    assert code == 1
    assert "3 written, 2 failed" in printed
    assert "(not_audio)" in printed
    assert "No such file" in printed
    assert not broken.with_suffix(".txt").exists()


async def test_a_busy_service_is_asked_again_when_it_says(voices: list[Path]) -> None:
    received: list[bytes] = []
    answers = [
        web.json_response(
            {"error": {"code": "overloaded", "message": "busy"}}, status=503, headers={"Retry-After": "0"}
        ),
        web.json_response({"text": "Hello", "segments": []}),
    ]

    async def answer(request: web.Request) -> web.Response:
        received.append(await request.read())
        return answers[len(received) - 1]

    app = web.Application()
    app.router.add_post("/v1/audio/transcriptions", answer)
    async with TestServer(app) as server:
        code = await transcribed(str(server.make_url("")).rstrip("/"), voices[0], "-o", "srt")

    assert code == 0
    assert len(received) == 2


async def test_an_aborted_batch_has_its_summary(
    voices: list[Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = [Transcript(b"1\n"), ApiError(403, "you may not list pods")]
    monkeypatch.setattr("speechcli.commands.transcribe.transcribe", AsyncMock(side_effect=answers))

    with pytest.raises(ApiError):
        await transcribed("http://127.0.0.1:1", *voices, "-o", "srt", "--concurrency", "1")

    assert "1 written" in capsys.readouterr().out
