"""`kubectl speech bench` in front of a real bridge."""

import json
from pathlib import Path

import pytest

from bridge.running import WAV, Bridge
from fakes.faults import Answer
from fakes.speech_whisper import FakeSpeechWhisper
from speechcli.__main__ import parser
from speechcli.commands.bench import bench
from speechcli.errors import UsageError

pytestmark = pytest.mark.unit


@pytest.fixture
def voice(tmp_path: Path) -> Path:
    path = tmp_path / "voice.wav"
    path.write_bytes(WAV)
    return path


@pytest.fixture(autouse=True)
def no_cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("kubernetes.aio.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "none"))


async def benched(url: str, voice: Path, *options: str) -> int:
    return await bench(parser("bench").parse_args(["calls", "--url", url, "--audio", str(voice), *options]))


async def test_json_has_both_measurements_and_the_verdict(
    streaming_bridge: Bridge, voice: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = await benched(streaming_bridge.url, voice, "--requests", "8", "--clients", "2", "-o", "json")

    found = json.loads(capsys.readouterr().out)
    assert code == 0
    assert (found["alone"]["concurrency"], found["loaded"]["concurrency"]) == (1, 2)
    assert found["loaded"]["succeeded"] == 8
    assert found["loaded"]["transcribe_ms"]["p50"] >= 0
    assert found["sizing"]["pods"] is None
    assert found["sizing"]["sentences"]


async def test_a_person_gets_tables_a_verdict_and_its_limits(
    streaming_bridge: Bridge, voice: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await benched(streaming_bridge.url, voice, "--requests", "4", "--clients", "1")

    printed = capsys.readouterr().out
    assert "4 of 4 requests succeeded" in printed
    assert printed.index("Verdict") < printed.index("Limits of this measurement")


async def test_no_request_is_started_after_the_duration(
    streaming_bridge: Bridge, speech_whisper: FakeSpeechWhisper, voice: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await benched(streaming_bridge.url, voice, "--duration", "0.3", "--clients", "1", "-o", "json")

    found = json.loads(capsys.readouterr().out)
    sent = sum(speech_whisper.is_work(one) for one in speech_whisper.requests)
    assert sent == 1 + found["alone"]["requests"] + found["loaded"]["requests"]  # the first one warms up


async def test_failures_are_counted_and_fail_the_command(
    streaming_bridge: Bridge, speech_whisper: FakeSpeechWhisper, voice: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    speech_whisper.always(Answer(status=400, body=b'{"error": {"message": "no audio", "code": "not_audio"}}'))

    code = await benched(streaming_bridge.url, voice, "--requests", "4", "--clients", "1", "-o", "json")

    assert code == 1
    assert json.loads(capsys.readouterr().out)["loaded"]["failed"] == 4


async def test_requests_that_do_not_fill_the_clients_are_refused(voice: Path) -> None:
    with pytest.raises(UsageError, match="15 requests are too few for 4 clients"):
        await benched("http://127.0.0.1:1", voice, "--requests", "15", "--clients", "4")


@pytest.mark.parametrize("given", [("--clients", "257"), ("--duration", "3601"), ("--duration", "inf")])
async def test_values_out_of_range_are_refused(
    voice: Path, given: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        await benched("http://127.0.0.1:1", voice, *given)

    assert "or less" in capsys.readouterr().err
