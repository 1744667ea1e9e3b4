"""Whose fault a Whisper server's error is: the caller hears only of what the caller can change."""

import json

import pytest

from bridge.running import StartBridge
from fakes.ollama import FakeOllama
from fakes.speech_whisper import FakeSpeechWhisper
from speechbridge.stages.problems import problem_of
from speechbridge.transcribers.status import check_status
from speechbridge.upstreams.failures import FailureKind, UpstreamError

pytestmark = pytest.mark.unit


def error_for(status: int, code: str | None) -> UpstreamError:
    body = {"error": {"message": "It was refused.", "code": code, "param": "model"}}
    with pytest.raises(UpstreamError) as raised:
        check_status(status, json.dumps(body).encode())
    return raised.value


@pytest.mark.parametrize(
    ("status", "code"),
    [
        *((400, "not_audio"), (400, "no_audio_stream"), (413, "audio_too_long"), (413, "upload_too_large")),
        *((400, "unknown_language"), (400, "unsupported_task"), (400, "bad_field")),
    ],
)
def test_the_recording_and_the_options_are_the_callers(status: int, code: str) -> None:
    problem = problem_of("transcribe", error_for(status, code), busy=1, outage=5)

    assert (problem.status, problem.code, problem.param) == (status, code, "model")


@pytest.mark.parametrize(
    ("status", "code"),
    [
        *((404, "model_not_found"), (404, "not_found"), (405, "method_not_allowed"), (415, "unsupported_media_type")),
        *((401, "invalid_api_key"), (403, None), (400, "bad_multipart"), (408, "upload_stalled")),
    ],
)
def test_the_deployment_and_the_network_are_not(status: int, code: str | None) -> None:
    error = error_for(status, code)
    problem = problem_of("transcribe", error, busy=1, outage=5)

    assert (problem.status, problem.code, problem.param) == (502, "transcriber_failed", None)
    assert error.kind is (FailureKind.DIED if status == 408 else FailureKind.MISCONFIGURED)


@pytest.mark.parametrize(("told", "expected"), [("17", 17), ("86400", 30), ("", 30), ("soon", 30), ("0", 30)])
def test_without_disk_space_the_caller_is_told_when_to_try_again(told: str, expected: int) -> None:
    with pytest.raises(UpstreamError) as raised:
        check_status(503, b'{"error": {"message": "The disk is full.", "code": "no_space"}}', told)

    problem = problem_of("transcribe", raised.value, busy=1, outage=5)

    assert (problem.status, problem.code, problem.retry_after) == (503, "overloaded", expected)


async def test_a_wrong_whisper_model_in_the_settings_is_a_failure_of_the_service(
    start_bridge: StartBridge, speech_whisper: FakeSpeechWhisper, ollama: FakeOllama
) -> None:
    bridge = await start_bridge(
        whisper_url=speech_whisper.url, transcriber="openai", whisper_model="misspelled", ollama_url=ollama.url
    )

    status, document = await bridge.json()

    assert (status, document["code"]) == (502, "transcriber_failed")
    assert "misspelled" in document["detail"]
    assert len(speech_whisper.work) == 1
