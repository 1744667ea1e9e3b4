"""How attempts at a stage end, in the metrics: only faults of the platform count as failed."""

import asyncio

import pytest

from bridge.running import WAV, Bridge, StartBridge
from bridge.wire import CLOSING, Connection, head, part
from fakes.faults import Answer
from fakes.ollama import FakeOllama
from fakes.whisper import FakeAsrWebservice
from speechbridge.audio.port import RestartRequired
from speechbridge.errors import Problem
from speechbridge.stages.attempt import outcome_of
from speechbridge.upstreams.failures import FailureKind, UpstreamError

pytestmark = pytest.mark.unit

MIB = 2**20
OPENING = part("file", WAV[:44], filename="a.wav")[:-2]


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (None, "ok"),
        (RestartRequired(), "restarted"),
        (Problem("upload_stalled", "The upload stalled."), "rejected"),
        (Problem("field_after_file", "A field arrived too late."), "rejected"),
        (Problem("overloaded", "The disk is full."), "failed"),
        (UpstreamError(FailureKind.BAD_AUDIO, "not audio"), "rejected"),
        (UpstreamError(FailureKind.OVERFLOW, "too long"), "rejected"),
        (UpstreamError(FailureKind.BUSY, "busy"), "busy"),
        (UpstreamError(FailureKind.DIED, "lost"), "failed"),
        (UpstreamError(FailureKind.MODEL_MISSING, "no model"), "failed"),
        (OSError(), "failed"),
        (ConnectionResetError(), "cancelled"),
        (asyncio.CancelledError(), "cancelled"),
        (GeneratorExit(), "cancelled"),
    ],
)
def test_the_outcome_of_an_attempt(error: BaseException | None, outcome: str) -> None:
    assert outcome_of(error) == outcome


def transcriptions(bridge: Bridge) -> dict[str, float]:
    """The number of attempts by outcome."""
    return {
        sample.labels["outcome"]: sample.value
        for sample in bridge.samples("speechbridge_stage_duration_seconds_count")
        if sample.labels["stage"] == "transcribe" and sample.value
    }


async def test_an_upload_that_pauses_is_no_failed_transcription(
    start_bridge: StartBridge, asr: FakeAsrWebservice, ollama: FakeOllama
) -> None:
    bridge = await start_bridge(
        whisper_url=asr.url,
        ollama_url=ollama.url,
        stream_min_rate=1,
        slot_idle_timeout=0.05,
        retry_buffer_bytes=8 * MIB,
    )

    async with Connection.to(bridge.url) as connection:
        closing = b"\r\n" + CLOSING
        length = len(OPENING) + 2 * MIB + len(closing)
        await connection.send(head("/process", length=length), OPENING, bytes(MIB))
        await asr.until(lambda: bool(asr.work) and asr.work[0].disconnected)
        await connection.send(bytes(MIB), closing)
        reply = await connection.reply()

    assert reply.status == 200
    assert transcriptions(bridge) == {"ok": 1, "restarted": 1}


async def test_a_file_that_is_no_audio_is_no_failed_transcription(bridge: Bridge) -> None:
    await bridge.json(b"this is text")

    assert transcriptions(bridge) == {"rejected": 1}


async def test_a_pod_that_dies_is_a_failed_transcription(bridge: Bridge, asr: FakeAsrWebservice) -> None:
    asr.script(Answer(502, b"<h1>Bad Gateway</h1>", "text/html"))  # of a proxy in front of it

    await bridge.json()

    assert transcriptions(bridge) == {"failed": 1, "ok": 1}
