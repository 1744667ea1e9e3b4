"""Which failures are tried again, which end a batch, and which answers are failures."""

from pathlib import Path
from unittest.mock import Mock

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from speechcli.errors import ClusterError
from speechcli.kube.client import ApiError
from speechcli.transcription.jobs import Job
from speechcli.transcription.request import ATTEMPTS, Options, Transcript, transcribe
from speechcli.transcription.run import Done, Result, run

pytestmark = pytest.mark.unit

NO_POD = ClusterError("no pod of the bridge of calls runs", transient=True)


class Failing:
    """An address that cannot be had."""

    def __init__(self, error: ClusterError) -> None:
        self.error = error
        self.asked = 0
        self.waits: list[float] = []

    async def address(self) -> str:
        self.asked += 1
        raise self.error

    async def wait(self, seconds: float) -> None:
        self.waits.append(seconds)

    async def transcribe(self, source: Path) -> Transcript:
        session = Mock(spec=aiohttp.ClientSession)
        return await transcribe(session, self.address, source, Options("srt"), self.wait)


@pytest.mark.parametrize("error", [NO_POD, ApiError(0, "timed out"), ApiError(429, "slow down"), ApiError(503, "busy")])
async def test_a_cluster_that_may_recover_is_asked_again(error: ClusterError) -> None:
    failing = Failing(error)

    with pytest.raises(ClusterError):
        await failing.transcribe(Path("one.wav"))

    assert failing.asked == ATTEMPTS
    assert failing.waits == [1, 2, 4, 8]


@pytest.mark.parametrize("error", [ApiError(401, "who?"), ApiError(403, "no"), ClusterError("no pipeline calls")])
async def test_a_refusal_is_final(error: ClusterError) -> None:
    failing = Failing(error)

    with pytest.raises(ClusterError):
        await failing.transcribe(Path("one.wav"))

    assert failing.asked == 1


async def test_a_missing_bridge_fails_a_file_and_not_the_batch(tmp_path: Path) -> None:
    jobs = [Job(tmp_path / name, tmp_path / f"{name}.srt") for name in ("one", "two")]

    ended = await run(jobs, Failing(NO_POD).transcribe, 1, Mock())

    assert [(done.result, done.why) for done in ended] == [(Result.FAILED, NO_POD.message)] * 2


async def test_a_refusal_ends_the_batch(tmp_path: Path) -> None:
    jobs = [Job(tmp_path / name, tmp_path / f"{name}.srt") for name in ("one", "two")]

    with pytest.raises(ApiError):
        await run(jobs, Failing(ApiError(403, "no")).transcribe, 1, Mock())


ENDS = "The transcript ends at 2.4 s. It was not complete in time."
CUT_OFF = {
    "text": "He was",
    "segments": [{"start": 0.0, "end": 2.4, "text": " He was"}],
    "truncated": True,
    "warnings": [{"code": "truncated", "message": ENDS}],
}


async def answered(answer: object, folder: Path, ending: str) -> Done:
    """What becomes of a job at a service that answers 200."""

    async def handle(request: web.Request) -> web.Response:
        await request.read()
        return web.json_response(answer)

    app = web.Application()
    app.router.add_post("/v1/audio/transcriptions", handle)
    (folder / "one.wav").write_bytes(b"RIFF")
    async with TestServer(app) as server, aiohttp.ClientSession() as session:

        async def address() -> str:
            return str(server.make_url("")).rstrip("/")

        async def send(source: Path) -> Transcript:
            return await transcribe(session, address, source, Options(ending))

        (done,) = await run([Job(folder / "one.wav", folder / f"one.{ending}")], send, 1, Mock())
    return done


@pytest.mark.parametrize("ending", ["srt", "vtt", "txt", "json"])
async def test_a_transcript_that_the_deadline_ended_is_a_failure_without_a_file(tmp_path: Path, ending: str) -> None:
    done = await answered(CUT_OFF, tmp_path, ending)

    assert (done.result, done.why) == (Result.FAILED, f"{ENDS} (deadline_exceeded)")
    assert not done.job.target.exists()


async def test_the_transcript_of_a_truncated_recording_is_written_with_a_note(tmp_path: Path) -> None:
    done = await answered({**CUT_OFF, "truncated": False}, tmp_path, "txt")

    assert (done.result, done.notes) == (Result.WRITTEN, (ENDS,))
    assert (tmp_path / "one.txt").read_text() == "He was\n"


@pytest.mark.parametrize("answer", [{}, [], "He was", {"text": "He was", "warnings": [{}]}])
async def test_what_is_no_transcript_is_a_failure_without_a_file(tmp_path: Path, answer: object) -> None:
    done = await answered(answer, tmp_path, "srt")

    assert done.result is Result.FAILED
    assert done.why.endswith("(not_understood)")
    assert not done.job.target.exists()
